# Makes a library of a list of symbols: an assembler's source that defines each, or with
# script=1 the linker's script that gives each its version. A line is SYMBOL VERSION [ABI].
/^#/ || NF < 2 || (NF > 2 && $3 != abi) { next }
{
    if (!($2 in names)) versions[++count] = $2
    names[$2] = names[$2] " " $1 ";"
    if (!script) printf ".globl %s\n.type %s, %%function\n%s:\n", $1, $1, $1
}
END {
    if (script && !count) print "LIBC { local: *; };"
    for (n = 1; script && n <= count; n++) {
        printf "%s { global:%s%s };\n", versions[n], names[versions[n]], n == 1 ? " local: *;" : ""
    }
}
