import {
  type Comment,
  type DeclarationReflection,
  makeRecursiveVisitor,
  type ProjectReflection,
  ReflectionKind,
  ReflectionType,
  type SomeType,
} from 'typedoc'

/** Whether `npm run docs` fails if there is a gap. */
export const FAIL_ON_GAPS = true

/** Gaps on purpose. */
const NO_GAPS: readonly string[] = [
  // It accepts every value.
  'portside.explainSocketError: no @throws',
]

/** The gaps of the doc comments of public names, and internal types in public signatures: `portside.listenTcp: no @example`. */
export function gapsOf(project: ProjectReflection): string[] {
  const gaps = (project.children ?? []).flatMap((entry) => [
    // A page without names has its comment only.
    ...(entry.children || entry.hasComment() ? [] : [`${entry.name}: no comment with @module`]),
    ...(entry.children ?? []).flatMap(gapsOfName),
    ...privateMembers(entry),
  ])
  return gaps.filter((gap) => !NO_GAPS.includes(gap))
}

function gapsOfName(reflection: DeclarationReflection): string[] {
  if (reflection.kind === ReflectionKind.Reference) return []
  const name = reflection.getFullName()
  const comments = commentsOf(reflection)
  const has = (tag: `@${string}`): boolean => comments.some((comment) => comment.getTag(tag) !== undefined)
  const gaps: string[] = []
  if (!comments.some((comment) => comment.summary.length > 0)) gaps.push('no summary')
  if (reflection.kind === ReflectionKind.Function) {
    const takes = reflection.signatures?.some(({ parameters }) => (parameters?.length ?? 0) > 0)
    if (!has('@example')) gaps.push('no @example')
    if (takes && !has('@throws')) gaps.push('no @throws')
    if (!has('@see')) gaps.push('no @see')
  }
  const gapsOfOptions = /Options$|Ready$|Profile$/.test(name) ? membersOf(reflection).flatMap(gapsOfOption) : []
  return [...gaps.map((gap) => `${name}: ${gap}`), ...gapsOfOptions, ...internalBases(reflection)]
}

/** An option of which the text speaks of a default. */
function gapsOfOption(option: DeclarationReflection): string[] {
  const comment = option.comment
  if (option.inheritedFrom || !comment) return []
  const text = comment.summary.map(({ kind, text }) => (kind === 'text' ? text : '')).join('')
  const tagged = comment.getTag('@default') ?? comment.getTag('@defaultValue')
  return /(?<!no )\bdefaults?\b/i.test(text) && !tagged ? [`${option.getFullName()}: no @default`] : []
}

/** TypeDoc reports internal types in signatures. Those that a type extends it does not. */
function internalBases(reflection: DeclarationReflection): string[] {
  const found: string[] = []
  const visitor = makeRecursiveVisitor({
    reference(type) {
      if (type.package === 'portside' && !type.reflection && !type.refersToTypeParameter) {
        found.push(`${type.name} is referenced by ${reflection.getFullName()} and not exported`)
      }
    },
  })
  for (const base of reflection.extendedTypes ?? []) base.visit(visitor)
  return found
}

function privateMembers(reflection: DeclarationReflection): string[] {
  return (reflection.children ?? []).flatMap((child) => [
    ...(child.flags.isPrivate || child.name.startsWith('#') ? [`${child.getFullName()}: is private`] : []),
    ...privateMembers(child),
  ])
}

function membersOf({ children, type }: DeclarationReflection): DeclarationReflection[] {
  return [...(children ?? []), ...membersOfType(type)]
}

function membersOfType(type: SomeType | undefined): DeclarationReflection[] {
  if (type?.type === 'intersection' || type?.type === 'union') return type.types.flatMap(membersOfType)
  return type instanceof ReflectionType ? membersOf(type.declaration) : []
}

/** A function has its comment at its signatures, and so has a type of a function. */
function commentsOf(reflection: DeclarationReflection): Comment[] {
  const typed = reflection.type instanceof ReflectionType ? reflection.type.declaration.signatures : undefined
  const commented = [reflection, ...(reflection.signatures ?? []), ...(typed ?? [])]
  return commented.flatMap(({ comment }) => comment ?? [])
}
