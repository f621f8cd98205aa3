/** `exactly<Expected>()(value)` compiles where the type of the value is that one, and no other that fits. */
declare function exactly<Expected>(): <Actual>(
  value: Actual,
  ...proof: Same<Actual, Expected> extends true ? [] : ['another type']
) => void

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
