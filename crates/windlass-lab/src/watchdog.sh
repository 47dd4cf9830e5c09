# The end of a test's servers, however the test ends. Standard input is a pipe whose other end only the test process
# holds; when the process is gone, every server whose number is in a `*.pid` file of the folder is killed with its
# children, and the folder is removed.
folder=$1
while read -r _; do :; done
for file in "$folder"/*.pid; do
  [ -f "$file" ] || continue
  read -r pid <"$file" || continue
  # Stopped, it starts no child while its children are looked for.
  kill -STOP "$pid" || continue
  children=$(grep -lE "^PPid:[[:space:]]+$pid\$" /proc/[0-9]*/status | cut -d / -f 3)
  # shellcheck disable=SC2086  # a list of numbers
  kill -KILL "$pid" $children
done
[ -d "$folder/disk" ] && umount -l "$folder/disk"
[ -f "$folder/after" ] && sh "$folder/after" "$folder"
# A child that dies may still hold or make a file for a moment.
tries=0
until rm -rf "$folder" || [ $tries -gt 100 ]; do
  tries=$((tries + 1))
  sleep 0.05
done
