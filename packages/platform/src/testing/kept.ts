const shared = globalThis as typeof globalThis & { strongroomKept?: Map<string, unknown> }

/**
 * What is costly to make and says nothing to a test (keys of processors, of providers): made once for a process, also where
 * the modules of a test file are evaluated again, as mutation tests do for each mutant.
 */
export function kept<T>(name: string, make: () => T): T {
  const all = (shared.strongroomKept ??= new Map())
  if (!all.has(name)) all.set(name, make())
  return all.get(name) as T
}
