"""SOCKET COMMAND...: run a command on a slot of the engine that the broker at SOCKET speaks to.

make starts one of these for each step, so it imports next to nothing: `python -I -S` runs it as a file.
It sends the command and its stdin, then copies frames: a descriptor (0: the end), a length, bytes.
"""

import os
import socket
import sys


def main() -> int:
    """The exit status of the command; 69 if the broker is gone."""
    given = sys.stdin.buffer.read()
    words = [os.environ.get("BS_IMAGE", ""), os.environ.get("BS_AVOID", ""), *sys.argv[2:]]
    head = b"\0".join(os.fsencode(word) for word in words)
    try:
        with socket.socket(socket.AF_UNIX) as channel:
            channel.connect(sys.argv[1])
            channel.sendall(b"%d %d\n" % (len(head), len(given)) + head + given)
            del given
            with channel.makefile("rb") as answer:
                while len(frame := answer.read(5)) == 5:
                    size = int.from_bytes(frame[1:], "big")
                    if not frame[0]:
                        return size
                    rest = memoryview(answer.read(size))
                    while rest:
                        rest = rest[os.write(frame[0], rest) :]
    except OSError:
        pass
    return 69


if __name__ == "__main__":
    sys.exit(main())
