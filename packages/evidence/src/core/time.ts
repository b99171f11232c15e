/** A time in an error's text. A `Date` that is none would throw at being written. */
export const describeTime = (at: Date): string => (Number.isNaN(at.getTime()) ? 'no time' : at.toISOString())
