package org.optout;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.Test;

/** What the sources promise: no more permissions, no network of our own, no words in code. */
public class SourcesTest {
    private static final Path ANDROID = Path.of(System.getProperty("optout.sources"));
    private static final Path UI = ANDROID.resolve("ui/src/main");

    @Test
    public void no_permission_is_asked_for_but_these() throws IOException {
        Set<String> asked = new TreeSet<>();
        for (Path manifest : List.of(UI, ANDROID.resolve("tunnel/src/main"))) {
            asked.addAll(found(read(manifest.resolve("AndroidManifest.xml")),
                    "<uses-permission[^>]*android:name=\"([^\"]*)\""));
        }
        assertEquals(Set.of(
                "android.permission.INTERNET",
                "android.permission.ACCESS_NETWORK_STATE",
                "android.permission.FOREGROUND_SERVICE",
                "android.permission.FOREGROUND_SERVICE_SYSTEM_EXEMPTED",
                "android.permission.POST_NOTIFICATIONS",
                "android.permission.RECEIVE_BOOT_COMPLETED",
                "android.permission.QUERY_ALL_PACKAGES"), asked);
    }

    /** Java may name addresses and networks; only the engine may talk over them. */
    @Test
    public void no_java_of_ours_uses_the_network() throws IOException {
        Pattern talks = Pattern.compile("\\b(Socket|ServerSocket|DatagramSocket|SocketChannel|DatagramChannel"
                + "|SocketFactory|URL|URLConnection|HttpURLConnection|HttpsURLConnection|HttpClient"
                + "|WebView|DownloadManager|DnsResolver|MulticastSocket|LocalSocket"
                + "|getByName|getAllByName|getLocalHost|isReachable|openConnection|bindSocket"
                + "|ProcessBuilder|getRuntime)\\b");
        List<String> faults = new ArrayList<>();
        for (Path file : java()) {
            for (String hit : found(read(file), talks)) {
                faults.add(file.getFileName() + ": " + hit);
            }
        }
        assertEquals(List.of(), faults);
    }

    @Test
    public void no_words_for_people_stand_in_code_or_layouts() throws IOException {
        List<String> faults = new ArrayList<>();
        for (Path file : files(UI.resolve("res/layout"), ".xml")) {
            for (String text : found(read(file), "android:(?:text|hint|contentDescription)=\"([^@\"][^\"]*)\"")) {
                faults.add(file.getFileName() + ": " + text);
            }
        }
        for (Path file : files(UI.resolve("java"), ".java")) {
            // What has two words in a row is a sentence.
            for (String text : found(read(file), "\"([^\"\\n]*[a-zA-Z,.] [a-zA-Z][^\"\\n]*)\"")) {
                faults.add(file.getFileName() + ": " + text);
            }
        }
        assertEquals(List.of(), faults);
    }

    @Test
    public void both_languages_say_the_same_things() throws IOException {
        String english = read(UI.resolve("res/values/strings.xml"));
        String german = read(UI.resolve("res/values-de/strings.xml"));
        Pattern key = Pattern.compile("<(?:string|plurals) name=\"([^\"]*)\">");
        assertEquals(found(english, key), found(german, key));
        assertTrue(found(english, key).size() > 100);
        // Each with the same places to fill in, or a number would land where a date belongs.
        assertEquals(places(english), places(german));
    }

    @Test
    public void no_file_is_longer_than_it_may_be() throws IOException {
        List<String> faults = new ArrayList<>();
        for (Path file : java()) {
            int lines = Files.readAllLines(file).size();
            if (lines > 500) {
                faults.add(file.getFileName() + ": " + lines);
            }
        }
        assertEquals(List.of(), faults);
    }

    private static List<String> places(String strings) {
        List<String> all = new ArrayList<>();
        for (String text : found(strings, "(?s)<(?:string|plurals) name=\"[^\"]*\">(.*?)</(?:string|plurals)>")) {
            all.add(new TreeSet<>(found(text, "(%\\d\\$[sd])")).toString());
        }
        return all;
    }

    private static List<Path> java() throws IOException {
        List<Path> all = new ArrayList<>(files(UI, ".java"));
        all.addAll(files(ANDROID.resolve("tunnel/src/main"), ".java"));
        assertTrue(all.size() > 30);
        return all;
    }

    private static List<Path> files(Path folder, String end) throws IOException {
        try (Stream<Path> all = Files.walk(folder)) {
            return all.filter(file -> file.toString().endsWith(end)).sorted().collect(Collectors.toList());
        }
    }

    private static String read(Path file) throws IOException {
        return new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
    }

    private static List<String> found(String in, String pattern) {
        return found(in, Pattern.compile(pattern));
    }

    private static List<String> found(String in, Pattern pattern) {
        List<String> all = new ArrayList<>();
        Matcher matcher = pattern.matcher(in);
        while (matcher.find()) {
            all.add(matcher.groupCount() == 0 ? matcher.group() : matcher.group(1));
        }
        return all;
    }
}
