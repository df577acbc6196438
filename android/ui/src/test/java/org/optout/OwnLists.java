package org.optout;

import java.util.List;

/** What an engine says of rules and lists that the user of {@link Scene} has. */
final class OwnLists {
    private OwnLists() {}

    private static String rule(String action, String subject, String more) {
        return "{\"action\":\"" + action + "\",\"subject\":\"" + subject + "\"" + more + "}";
    }

    static final String RULES = "[{\"rules\":[" + String.join(",", List.of(
            rule("block", "telemetry.weather.example", ",\"exact\":false"),
            rule("block", "192.0.2.0/24", ",\"exact\":false,\"schedule\":\"night\""),
            rule("allow", "updates.oneplus.example", ",\"exact\":true,\"app\":\"uid:1000\""),
            rule("allow", "crashlytics.com", ",\"exact\":false,\"app\":\"com.example.chat\",\"until\":"
                    + (Words.midnight() / 1000 + 13 * 3600)),
            rule("allow", "crashlytics.com", ",\"exact\":false,\"app\":\"com.example.bank\""))) + "]}]";

    private static String list(String name, String mode, int rules, String more) {
        return "{\"name\":\"" + name + "\",\"format\":\"adblock\",\"rules\":" + rules
                + ",\"ignored\":0,\"changed\":" + EIGHT + ",\"mode\":\"" + mode + "\",\"more\":{\"id\":\""
                + name.replace(".", "-") + "\",\"place\":\"https://lists.example/" + name
                + "\",\"subdomains\":false,\"allow\":false,\"mode_until\":null,\"summary\":{},\"checked\":" + NINE
                + ",\"next\":null," + more + "}}";
    }

    private static String versions(int... rules) {
        StringBuilder all = new StringBuilder();
        for (int i = 0; i < rules.length; i++) {
            all.append(i == 0 ? "" : ",").append("{\"number\":").append(rules.length - i)
                    .append(",\"arrived\":1795368261,\"sha256\":\"\",\"rules\":").append(rules[i])
                    .append(",\"bytes\":290}");
        }
        return "\"versions\":[" + all + "]";
    }

    private static final String FINE = ",\"quarantined\":null,\"problem\":null";

    /** Of today, as the log of the scene. */
    private static final long EIGHT = Words.midnight() / 1000 + 8 * 3600;
    private static final long NINE = EIGHT + 3600;

    static final String HELD = "it shrank from 4,210 to 2 rules";

    static final String LISTS = "[{\"lists\":[" + String.join(",", List.of(
            "{\"name\":\"oneplus\",\"format\":\"pack\",\"rules\":12,\"ignored\":0,\"changed\":null,\"mode\":\"enforce\"}",
            list("ads.txt", "enforce", 61284, versions(61284, 61190) + FINE),
            list("smart-tv.txt", "watch", 318, versions(318) + FINE),
            list("phones.txt", "enforce", 4210,
                    versions(4210, 4187) + ",\"quarantined\":\"" + HELD + "\",\"problem\":null"),
            list("games.txt", "off", 0, versions(97) + ",\"quarantined\":null,\"problem\":"
                    + "\"the server did not answer within 60 s; it is tried again later\""))) + "]}]";

    static final String NONE = "[{\"lists\":[]}]";
    static final String NO_RULES = "[{\"rules\":[]}]";
}
