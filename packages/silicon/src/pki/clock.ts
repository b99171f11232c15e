/** Time from the caller. */
export interface Clock {
  now(): Date
}
