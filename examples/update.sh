#!/bin/sh
# Changes a file by any command that writes in place, and keeps the result only if that succeeds: update.sh FILE COMMAND...
set -eu
file=$1
shift
getfattr -n user.atomic.state "$file" >/dev/null # fails outside of a mounted oatomic volume
setfattr -n user.atomic -v 1 "$file"
setfattr -n user.atomic.onclose -v keep "$file"
if "$@" "$file"; then
  setfattr -n user.atomic.commit -v 1 "$file"
else
  setfattr -n user.atomic.rollback -v 1 "$file"
  exit 1
fi
