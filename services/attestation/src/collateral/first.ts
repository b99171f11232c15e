/** The answer of the first source that has one. If none has one and a source failed, its failure: the item may exist. */
export async function firstThatHas<S, T>(
  sources: readonly S[],
  ask: (source: S) => Promise<T | undefined>,
): Promise<T | undefined> {
  let failure: { error: unknown } | undefined
  for (const source of sources) {
    try {
      const answer = await ask(source)
      if (answer !== undefined) return answer
    } catch (error) {
      failure ??= { error }
    }
  }
  if (failure !== undefined) throw failure.error
  return undefined
}
