/** Where this system lists its sockets: `/proc/net`, or the output of lsof(8) or netstat. */
export function tableSource(platform: NodeJS.Platform = process.platform): 'proc' | 'lsof' | 'netstat' {
  if (platform === 'linux' || platform === 'android') return 'proc'
  return platform === 'win32' ? 'netstat' : 'lsof'
}
