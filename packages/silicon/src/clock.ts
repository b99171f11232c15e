/** Time as the caller tells it. */
export interface Clock {
  now(): Date
}
