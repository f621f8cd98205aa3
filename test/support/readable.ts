/**
 * A whole message of portside: about an argument, what was expected and given; about anything else, what failed, and as the
 * last line a fix.
 */
export const READABLE =
  /^\S+ expects an options object such as [^\n]+, got [^\n]+\.$|^Invalid `[\w.]+`: expected [^\n]+, got [^\n]+\.(\n {2}fix {8}\S[^\n]*)?$|^Cannot [^\n]+\.\n(?: {2}[^\n]+\n)* {2}fix {8}\S[^\n]*$/
