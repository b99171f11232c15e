/** A token's value for an error message: shortened, and never expanded. */
export function shown(value: unknown, maximum = 128): string {
  return (typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing')).slice(0, maximum)
}
