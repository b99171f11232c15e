/**
 * A random UUID as one of version 7 (RFC 9562, section 5.7): milliseconds first, so that new rows go to the end of an index. With
 * random ones each decision would change a page of its own in every index.
 */
export function timeOrdered(uuid: string, now: Date): string {
  const time = now.getTime().toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${uuid.slice(15)}`
}
