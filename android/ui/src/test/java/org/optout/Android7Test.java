package org.optout;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.jar.JarFile;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.Test;
import org.objectweb.asm.ClassReader;
import org.objectweb.asm.tree.AbstractInsnNode;
import org.objectweb.asm.tree.ClassNode;
import org.objectweb.asm.tree.MethodInsnNode;
import org.objectweb.asm.tree.MethodNode;

/**
 * Every method of Android's own classes that our code calls is in Android 7.0, the oldest that the
 * app is for, or it is named here, because its place asks for the version first. Of Java's classes
 * this says nothing: their file has only a part of them.
 */
public class Android7Test {
    /** Called only behind a look at {@code Build.VERSION}; each of these was read. */
    private static final Set<String> GUARDED = new TreeSet<>(List.of(
            "android/app/Notification$Builder.<init>",
            "android/app/Notification$Builder.setForegroundServiceBehavior",
            "android/app/NotificationChannel.<init>",
            "android/app/NotificationChannel.setDescription",
            "android/app/NotificationChannel.setShowBadge",
            "android/app/NotificationManager.createNotificationChannel",
            "android/content/Context.startForegroundService",
            "android/net/ConnectivityManager.getConnectionOwnerUid",
            "android/net/LinkProperties.getPrivateDnsServerName",
            "android/net/VpnService$Builder.setMetered",
            "android/service/quicksettings/Tile.setSubtitle",
            "org/optout/OptoutTile.startActivityAndCollapse",
            "org/optout/tunnel/TunnelService.isLockdownEnabled",
            "org/optout/tunnel/TunnelService.startForeground"));

    private final Map<String, ClassNode> known = new HashMap<>();

    @Test
    public void nothing_newer_is_called_unguarded() throws IOException {
        Set<String> missing = new TreeSet<>();
        int calls = 0;
        try (JarFile android = new JarFile(System.getProperty("optout.android24"))) {
            for (Path file : ours()) {
                for (MethodNode method : read(Files.readAllBytes(file)).methods) {
                    for (AbstractInsnNode step : method.instructions) {
                        if (step instanceof MethodInsnNode call && !call.owner.startsWith("java/")) {
                            calls++;
                            if (!exists(android, call.owner, call.name, call.desc)) {
                                missing.add(call.owner + "." + call.name);
                            }
                        }
                    }
                }
            }
        }
        assertTrue("hardly a call was looked at: " + calls, calls > 1000);
        assertEquals(GUARDED, missing);
    }

    private static List<Path> ours() throws IOException {
        try (Stream<Path> all = Files.walk(Path.of(System.getProperty("optout.classes")))) {
            return all.filter(file -> file.toString().endsWith(".class")).collect(Collectors.toList());
        }
    }

    /** In the class or in one above it. */
    private boolean exists(JarFile android, String owner, String name, String descriptor) throws IOException {
        if (owner.startsWith("[") || owner.startsWith("java/")) {
            return owner.startsWith("[") || inherited(owner, name);
        }
        ClassNode node = load(android, owner);
        if (node == null) {
            return false;
        }
        for (MethodNode method : node.methods) {
            if (method.name.equals(name) && method.desc.equals(descriptor)) {
                return true;
            }
        }
        for (String above : node.interfaces) {
            if (exists(android, above, name, descriptor)) {
                return true;
            }
        }
        return node.superName != null && exists(android, node.superName, name, descriptor);
    }

    private static boolean inherited(String owner, String name) {
        try {
            return Stream.of(Class.forName(owner.replace('/', '.')).getMethods())
                    .anyMatch(method -> method.getName().equals(name));
        } catch (ClassNotFoundException e) {
            return false;
        }
    }

    private ClassNode load(JarFile android, String name) throws IOException {
        if (!known.containsKey(name)) {
            Path own = Path.of(System.getProperty("optout.classes"), name + ".class");
            if (Files.exists(own)) {
                known.put(name, read(Files.readAllBytes(own)));
            } else if (android.getEntry(name + ".class") != null) {
                try (InputStream in = android.getInputStream(android.getEntry(name + ".class"))) {
                    known.put(name, read(in.readAllBytes()));
                }
            } else {
                known.put(name, null);
            }
        }
        return known.get(name);
    }

    private static ClassNode read(byte[] file) {
        ClassNode node = new ClassNode();
        new ClassReader(file).accept(node, 0);
        return node;
    }
}
