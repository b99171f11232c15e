/** A time in an error's text; an invalid `Date` would throw when formatted. */
export const describeTime = (at: Date): string => (Number.isNaN(at.getTime()) ? 'no time' : at.toISOString())
