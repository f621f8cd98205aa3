/**
 * A complete message of portside. For an argument it has the expected and the given value. Otherwise it says what failed, and its
 * last line is a fix.
 */
export const READABLE =
  /^\S+ expects an options object such as [^\n]+, got [^\n]+\.$|^Invalid `[\w.]+`: expected [^\n]+, got [^\n]+\.(\n {2}fix {8}\S[^\n]*)?$|^Cannot [^\n]+\.\n(?: {2}[^\n]+\n)* {2}fix {8}\S[^\n]*$/
