const shared = globalThis as typeof globalThis & { strongroomKept?: Map<string, unknown> }

/**
 * Costly and irrelevant to a test's result (keys of processors, of providers): created once per process, even if a test
 * file's modules are evaluated again, as in mutation tests for each mutant.
 */
export function kept<T>(name: string, make: () => T): T {
  const all = (shared.strongroomKept ??= new Map())
  if (!all.has(name)) all.set(name, make())
  return all.get(name) as T
}
