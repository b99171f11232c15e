/** The answer of the first that has one. Where none has and one failed, the failure: then it is not known that none has. */
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
