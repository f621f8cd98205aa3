import type { Step } from './set-up.js'

/**
 * Sets up a network namespace and keeps it. On the line `end`, or when its standard input ends, it ends the processes in it.
 *
 * - Each step is announced before it runs, so the last announced step is the failed one. The tool prints why on standard error.
 * - Tools run in parallel to the loop that reads, so a tool that hangs does not hide the end of the input. A shell that exits
 *   because it cannot fork reports that by its trap. A single command of ip(8) runs without a pipe, which would fork once more.
 * - As the first process of a pid namespace it waits for the loop, and so reaps processes that have lost their parent. When it
 *   exits, the kernel ends all others there (pid_namespaces(7)).
 * - Without a pid namespace it looks for the processes: proc(5) shows which are in its network namespace. A process may start
 *   others before it is ended, so it looks until it finds none, with a limit. If its input ends without `end`, this process
 *   may have ended while a program was about to enter, so it looks again.
 * - A replaced file is on a file system that only this namespace sees. It is mounted briefly on a directory that each Linux
 *   has: over a removed file, a host within this host could not mount its own.
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

/** The arguments of the script. */
export function argumentsOf(steps: readonly Step[]): string[] {
  return steps.flatMap((step) => {
    if (step.kind === 'ip') return [step.commands.length === 1 ? 'ip' : 'batch', step.commands.join('\n')]
    return [step.kind, step.file, step.kind === 'write' ? step.value : step.text]
  })
}
