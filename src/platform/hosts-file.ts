/**
 * The file with the names that this host knows without DNS: hosts(5).
 */
export function hostsFile(platform: NodeJS.Platform = process.platform): string {
  return platform === 'win32' ? '%SystemRoot%\\System32\\drivers\\etc\\hosts' : '/etc/hosts'
}
