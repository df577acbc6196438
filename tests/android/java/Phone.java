import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.optout.tunnel.Bridge;
import org.optout.tunnel.Engine;
import org.optout.tunnel.EngineException;

/**
 * A phone without a screen: drives the engine through the same classes as the app does, in an
 * ordinary Java machine. Commands come by standard input, a line each, words apart by tabs; each
 * is answered by one line, "ok" or "error" and a text.
 *
 * <p>What a real phone's system answers is made here of what Linux knows: the owner of a
 * connection is read from /proc/net, and packages stand in a table.
 */
public final class Phone implements Bridge {
    private final Map<Integer, String> packages = new HashMap<>();
    private final AtomicInteger protectedSockets = new AtomicInteger();
    private String[] descriptors;
    private volatile String mood = "good";
    private volatile String lastState = "";
    private volatile String seen = "";

    public static void main(String[] args) throws Exception {
        System.load(new File(args[0]).getAbsolutePath());
        Phone phone = new Phone();
        phone.descriptors = args;
        BufferedReader in =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String said;
            try {
                said = "ok\t" + phone.obey(line.split("\t", -1));
            } catch (EngineException e) {
                said = "error\t" + e.getMessage();
            }
            System.out.println(said.replace("\n", "\\n"));
            System.out.flush();
        }
        Engine.stop();
    }

    private String obey(String[] words) throws Exception {
        switch (words[0]) {
            case "descriptor":
                return descriptors[number(words[1])];
            case "plan":
                return Engine.plan(words[1], words[2]);
            case "start":
                Engine.start(number(words[1]), words[2], words[3], words.length > 4 ? null : this);
                return "";
            case "replace":
                Engine.replaceTunnel(number(words[1]));
                return "";
            case "stop":
                Engine.stop();
                return "";
            case "running":
                return String.valueOf(Engine.isRunning());
            case "reload":
                Engine.reload();
                return "";
            case "control":
                return Engine.control(words[1].equals("null") ? null : words[1]);
            case "page":
                return Engine.page(Long.parseLong(words[1]));
            case "network":
                Engine.networkChanged(
                        list(words[1]),
                        list(words[2]),
                        words[3].equals("metered"),
                        words[3].equals("captive"));
                return "";
            case "storm":
                storm(number(words[1]), list(words[2]));
                return "";
            case "package":
                packages.put(number(words[1]), words[2]);
                return "";
            case "mood":
                mood = words[1];
                return "";
            case "open":
                return open(words[1]);
            case "cycles":
                return cycles(number(words[1]), number(words[2]), words[3], words[4]);
            case "seen":
                return protectedSockets.get() + "\t" + seen + "\t" + lastState;
            case "self":
                return self();
            case "first":
                return first(number(words[1]), words[2], words[3], words[4]);
            default:
                throw new IllegalArgumentException(words[0]);
        }
    }

    // What the engine asks.

    @Override
    public boolean protect(int socket) {
        if (mood.equals("throws")) {
            throw new IllegalStateException("no service");
        }
        boolean isSocket = link(socket).startsWith("socket:");
        if (isSocket) {
            protectedSockets.incrementAndGet();
        } else {
            seen = "protect was given " + link(socket);
        }
        return isSocket && !mood.equals("refuses");
    }

    @Override
    public int ownerOf(int protocol, byte[] local, int localPort, byte[] remote, int remotePort) {
        if (mood.equals("throws")) {
            throw new IllegalStateException("no service");
        }
        if (mood.equals("old")) {
            return -1; // there is no getConnectionOwnerUid before Android 10
        }
        try {
            String table = (protocol == 6 ? "tcp" : "udp") + (local.length == 16 ? "6" : "");
            String from = hex(local) + ":" + String.format("%04X", localPort);
            for (String line : Files.readAllLines(Path.of("/proc/net/" + table))) {
                String[] columns = line.trim().split("\\s+");
                if (columns[1].equals(from)) {
                    return Integer.parseInt(columns[7]);
                }
            }
        } catch (Exception e) {
            seen = "ownerOf: " + e;
        }
        return -1;
    }

    @Override
    public String packageOf(int uid) {
        return packages.get(uid);
    }

    @Override
    public void onState(String state) {
        lastState = state;
        if (mood.equals("asks back")) {
            try {
                Engine.control("{\"do\":\"status\"}");
                seen = "asked back and was answered";
            } catch (EngineException e) {
                seen = e.getMessage();
            }
        } else if (mood.equals("throws")) {
            throw new IllegalStateException("no screen");
        }
    }

    // What a test needs besides.

    private static void storm(int times, String[] resolvers) throws Exception {
        for (int n = 0; n < times; n++) {
            String[] one = {"192.0.2." + n % 250};
            Engine.networkChanged(one, n % 2 == 0 ? new String[0] : resolvers, n % 3 == 0, false);
        }
        Engine.networkChanged(new String[] {"192.0.2.20"}, resolvers, false, false);
    }

    /** Starts and stops with descriptors of one TUN, each used up by its cycle. */
    private String cycles(int first, int count, String config, String data) throws Exception {
        StringBuilder said = new StringBuilder();
        for (int n = 0; n < count; n++) {
            Engine.start(first < 0 ? -1 : first + n, config, data, this);
            Engine.stop();
            if (n == count / 10 || n == count - 1) {
                said.append(self()).append("\t");
            }
        }
        return said.toString();
    }

    /** Milliseconds from the start to the first answer, and kilobytes of memory more. */
    private String first(int tunnel, String config, String data, String resolver)
            throws Exception {
        System.gc();
        long before = resident();
        byte[] query = Base64.getDecoder().decode("AAEBAAABAAAAAAAABG9wZW4Hb25lcGx1cwNuZXQAAAEAAQ==");
        long begun = System.nanoTime();
        Engine.start(tunnel, config, data, this);
        try (java.net.DatagramSocket socket = new java.net.DatagramSocket()) {
            socket.setSoTimeout(5000);
            InetAddress to = InetAddress.getByName(resolver);
            socket.send(new java.net.DatagramPacket(query, query.length, to, 53));
            byte[] answer = new byte[512];
            socket.receive(new java.net.DatagramPacket(answer, answer.length));
        }
        double ms = (System.nanoTime() - begun) / 1e6;
        return String.format(Locale.ROOT, "%.1f\t%d", ms, resident() - before);
    }

    private static long resident() throws Exception {
        return field("VmRSS:");
    }

    private static String self() throws Exception {
        System.gc();
        String[] files = new File("/proc/self/fd").list();
        return field("Threads:") + " " + (files == null ? -1 : files.length) + " " + resident();
    }

    private static long field(String name) throws Exception {
        List<String> lines = Files.readAllLines(Path.of("/proc/self/status"));
        for (String line : lines) {
            if (line.startsWith(name)) {
                return Long.parseLong(line.replaceAll("[^0-9]", ""));
            }
        }
        return -1;
    }

    /** Opens a file and says its number, to hand over what is no TUN. */
    private String open(String path) throws Exception {
        java.io.RandomAccessFile file = new java.io.RandomAccessFile(path, "r");
        for (String number : new File("/proc/self/fd").list()) {
            if (link(number(number)).equals(path)) {
                kept = file;
                return number;
            }
        }
        return "-1";
    }

    @SuppressWarnings("unused") // it keeps the file open
    private java.io.RandomAccessFile kept;

    private static String link(int descriptor) {
        try {
            return Files.readSymbolicLink(Path.of("/proc/self/fd/" + descriptor)).toString();
        } catch (Exception e) {
            return e.toString();
        }
    }

    /** An address as /proc/net writes it: each word of four bytes in this machine's order. */
    private static String hex(byte[] address) {
        StringBuilder text = new StringBuilder();
        for (int word = 0; word < address.length; word += 4) {
            for (int n = 3; n >= 0; n--) {
                text.append(String.format("%02X", address[word + n]));
            }
        }
        return text.toString();
    }

    private static String[] list(String words) {
        if (words.equals("null")) {
            return null;
        }
        return words.isEmpty() ? new String[0] : words.split(",");
    }

    private static int number(String word) {
        return Integer.parseInt(word);
    }
}
