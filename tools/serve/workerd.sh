#!/bin/sh
# Becomes workerd, the program that WORKERD names, and sees to it that workerd ends with the process that started it, however
# that ends: kill -9 leaves nobody who could stop workerd, and it would keep the port and the data.

# The starter holds the other end of our file 3, which is one of a pair of sockets, and never writes there: so reading ends
# when the starter does, as the kernel closes its files.
(
	# Ctrl-C is for the whole group, and the starter may take its time.
	trap '' HUP INT TERM
	exec </dev/null >/dev/null 2>&1
	read -r _ <&3
	# workerd may have ended before, and its number may be another's.
	case $(cat /proc/$$/comm 2>/dev/null || ps -o comm= -p $$) in
	*workerd*) kill -s KILL $$ ;;
	esac
) &
exec "$WORKERD" "$@"
