/** Words and turns of phrase that make a sentence hard to read, each with what to write instead. */
export const PATTERNS: ReadonlyArray<readonly [pattern: RegExp, instead: string]> = [
  [/\b(?:is|are|was|were|be) none\b/i, 'invalid, unknown, missing: say which'],
  [/\b(?:is|are|was|were|be|been) told\b/i, 'reports, learns, gets'],
  [/\btells? (?:of|apart)\b/i, 'reports, distinguishes'],
  [/\ball the same\b/i, 'anyway, still'],
  [/\bof what\b/i, 'name the thing'],
  [/\bfor want of\b/i, 'without'],
  [/\blet(?:s|ting)? go of\b/i, 'releases, closes'],
  [/\bheard out\b/i, 'reads until it ends'],
  [/\bgoes with\b/i, 'belongs to, ends with'],
  [/\b(?:who|what|which)(?:so)?ever\b/i, 'name the subject; any, every'],
  [/\b(?:no|some|any|every)body\b/i, 'name the process, the test, the user'],
  [/\bso that\b[^.;:]*\b(?:not|no|never|nothing|none)\b/i, 'so it does not, to avoid'],
  [/\bno \w+ but\b/i, 'only'],
  [/\bnothing but\b/i, 'only'],
  [/\bsave (?:for|in|that|what|where|one|the)\b/i, 'except'],
  [/\bmend(?:s|ed|ing)?\b/i, 'fix'],
  [/\bdials?\b|\bdial(?:s|led|ling)\b/i, 'connects to'],
  [/\b(?:does|do|takes?) no harm\b/i, 'is safe'],
  [/\bin (?:its|the|their) way\b/i, 'blocks, collides with'],
  [
    /\b(?:hence|thus|thereby|whereby|therein|wherein|whence|whereof|thereof|thereupon|whilst|upon|lest)\b/i,
    'plain words',
  ],
  [/\bshall\b/i, 'must, does'],
  [/\bin vain\b/i, 'without effect'],
  [/\bif need be\b/i, 'if needed'],
  [/\bto be had\b|\bis had\b|\bcan be had\b/i, 'available, has'],
  [/\bof (?:one's|its|their|your|our) own accord\b/i, 'without being asked'],
  [/\bfor (?:good|ever)\b/i, 'permanently'],
  [/\bnot (?:a|one) single\b/i, 'no'],
  [/\bas good as\b/i, 'almost'],
  [/\bcomes? about\b|\bbrought about\b|\bbrings? about\b/i, 'happens, causes'],
  [/\bnone other\b|\bno other than\b/i, 'only'],
  [/\bthe like\b/i, 'name them'],
  [/\bis done for\b/i, 'fails, is closed'],
]

/** How a sentence must not begin. A question may. */
export const OPENINGS: ReadonlyArray<readonly [opening: RegExp, instead: string]> = [
  [
    /^(?:Who|Whom|Whose|What|That which|Which|Those who|He who|One who)\b(?!.*\?)/,
    'begin with the subject: a client that …',
  ],
  [/^(?:None|Neither|Nor) /, 'begin with the subject'],
  [/^(?:To|Of|From|By|For|With|On|In|At) (?:whom|which|what|who)\b(?!.*\?)/i, 'begin with the subject'],
]

/** Words in a sentence, without code. */
export const LONGEST_SENTENCE = 30
