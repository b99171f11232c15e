/** Exact amounts as integer fractions: money is never a floating-point sum. `den` is positive. */
export interface Fraction {
  num: bigint
  den: bigint
}

export const zero: Fraction = { num: 0n, den: 1n }

const gcd = (a: bigint, b: bigint): bigint => (b === 0n ? a : gcd(b, a % b))

function reduced(num: bigint, den: bigint): Fraction {
  const divisor = gcd(num < 0n ? -num : num, den)
  return divisor <= 1n ? { num, den } : { num: num / divisor, den: den / divisor }
}

export const fraction = (num: bigint | number, den: bigint | number = 1n): Fraction => reduced(BigInt(num), BigInt(den))
export const add = (a: Fraction, b: Fraction): Fraction => reduced(a.num * b.den + b.num * a.den, a.den * b.den)
export const times = (a: Fraction, b: Fraction): Fraction => reduced(a.num * b.num, a.den * b.den)

/** A JSON number's own digits; undefined if it has more than 12 after the point or is negative. */
export function parseDecimal(value: number): Fraction | undefined {
  const match = /^(\d+)(?:\.(\d+))?(?:e-(\d+))?$/.exec(String(value))
  if (match === null) return undefined
  const [, whole = '0', part = '', exponent = '0'] = match
  const places = part.length + Number(exponent)
  return places > 12 ? undefined : fraction(BigInt(whole + part), 10n ** BigInt(places))
}

/** Decimal text with at most `places` digits after the point, halves rounded up; no exponent. */
export function toText(value: Fraction, places: number = 12): string {
  const scale = 10n ** BigInt(places)
  const scaled = (value.num * scale * 2n + value.den) / (value.den * 2n)
  const digits = scaled.toString().padStart(places + 1, '0')
  const whole = digits.slice(0, digits.length - places)
  const part = digits.slice(digits.length - places).replace(/(?<!0)0+$/, '')
  return part === '' ? whole : `${whole}.${part}`
}

export const toNumber = (value: Fraction): number => Number(toText(value))
