import type { Step } from './set-up.js'

/**
 * Sets a network namespace up, keeps it, and ends what is in it when it is told to, or when its standard input ends.
 *
 * Each step is announced before it is taken, so that the last one is the one that failed; the tool has said why on standard
 * error. What calls tools runs beside the loop that reads: a tool that hangs does not keep it from the end of its input, and a shell
 * that ends because it cannot fork says so by its trap. A single command of ip(8) is run without a pipe, which would fork once more.
 * As the first process of a pid namespace it waits for the loop, and so for all that have lost their parent. When it ends, the kernel
 * ends all others there at once (pid_namespaces(7)). Without a pid namespace it looks for them: proc(5) tells who is in its network
 * namespace. A process that is about to end others may still start some, so it looks until it
 * finds none, and not for ever. When its input ends without a word, this process may have been ended while a program was
 * about to enter: it looks again.
 *
 * A file in the place of another is on a file system that only this namespace sees, which stays with the file. It is mounted for
 * a moment on a directory that each Linux has: over a file that had been removed, a host within this host could not mount its own.
 */
export const HOLDER_SCRIPT = `
trap '' HUP INT QUIT TERM PIPE USR1 USR2
sweep() {
  found=1
  rounds=0
  while [ $found = 1 ] && [ $rounds -lt 100 ]; do
    found=0
    rounds=$((rounds + 1))
    for place in /proc/[0-9]*; do
      pid=\${place#/proc/}
      [ "$pid" != $$ ] && [ "$place/ns/net" -ef /proc/$$/ns/net ] && kill -KILL "$pid" && found=1
    done
  done 2>/dev/null
}
set_up() {
  step=0
  while [ $# -gt 0 ]; do
    printf 'step %s\\n' $step
    step=$((step + 1))
    case $1 in
      ip) ip $2 || return; shift 2 ;;
      batch) printf '%s\\n' "$2" | ip -batch - || return; shift 2 ;;
      write) printf '%s\\n' "$3" > "$2" || return; shift 3 ;;
      replace)
        mount -t tmpfs -o size=64k,mode=755 portside /proc/fs && printf '%s' "$3" > /proc/fs/file &&
          mount --bind /proc/fs/file "$2" && umount -l /proc/fs || return
        shift 3 ;;
    esac
  done
}
change() {
  printf '%s\\n' "$1" | ip -batch -
}
say() {
  trap "printf 'failed\\n'" EXIT
  word=$1
  shift
  "$@" || exit
  trap - EXIT
  printf '%s\\n' "$word"
}
aside() {
  if [ $$ = 1 ]; then ("$@" 3<&- &) || printf 'failed\\n'; else "$@" 3<&- & fi
}
listen() {
  while IFS= read -r line <&3; do
    [ "$line" = end ] && return
    aside say done change "$line"
  done
  return 1
}
exec 3<&0 </dev/null
say ready set_up "$@" 3<&- &
if [ $$ = 1 ]; then
  listen &
  exec 3<&-
  wait $!
  exit
fi
if listen; then sweep; exit; fi
sweep
sleep 0.2
sweep`

/** What the script takes as its arguments. */
export function argumentsOf(steps: readonly Step[]): string[] {
  return steps.flatMap((step) => {
    if (step.kind === 'ip') return [step.commands.length === 1 ? 'ip' : 'batch', step.commands.join('\n')]
    return [step.kind, step.file, step.kind === 'write' ? step.value : step.text]
  })
}
