/** `exactly<Expected>()(value)` compiles only if the value has exactly this type. */
declare function exactly<Expected>(): <Actual>(
  value: Actual,
  ...proof: Same<Actual, Expected> extends true ? [] : ['another type']
) => void

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
