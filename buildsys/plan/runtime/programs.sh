# The files that a program of the host consists of.

# list_libraries PROGRAM: print the libraries that it loads, lines `lib/NAME FILE`, and its loader, `loader FILE`.
list_libraries() {
    ldd "$1" | awk '$2 == "=>" && $3 ~ /^\// { print "lib/" $1, $3 } NF == 2 && $1 ~ /^\// { print "loader", $1 }'
}
