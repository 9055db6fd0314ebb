# What a program of the host consists of.

# libraries PROGRAM: what it loads: `lib/NAME FILE` a line, and `loader FILE`.
libraries() {
    ldd "$1" | awk '$2 == "=>" && $3 ~ /^\// { print "lib/" $1, $3 } NF == 2 && $1 ~ /^\// { print "loader", $1 }'
}
