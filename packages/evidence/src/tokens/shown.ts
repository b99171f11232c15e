/** A value from a token in an error's text: short, and never more than was there. */
export function shown(value: unknown, maximum = 128): string {
  return (typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing')).slice(0, maximum)
}
