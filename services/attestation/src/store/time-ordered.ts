/**
 * Rewrites a random UUID as version 7 (RFC 9562, section 5.7): milliseconds first, so that new rows go to the end of an
 * index. Random ids would change a separate page in every index per decision.
 */
export function timeOrdered(uuid: string, now: Date): string {
  const time = now.getTime().toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${uuid.slice(15)}`
}
