/** Validity of this hierarchy's certificates and lists, and a time in between. */
export const made: Date = new Date('2026-01-01T00:00:00Z')
export const until: Date = new Date('2027-01-01T00:00:00Z')
export const now: Date = new Date('2026-06-01T00:00:00Z')
