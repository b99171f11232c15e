/** Host name of a Host header (RFC 9110 section 7.2): lower case, without port and final dot; undefined if malformed. */
export function hostOf(header: string | undefined): string | undefined {
  if (header === undefined || header.length > 260) return undefined
  const match = /^(\[[0-9a-fA-F:.]{2,45}\]|[a-zA-Z0-9._-]{1,253})(?::\d{1,5})?$/.exec(header)
  return match?.[1]?.toLowerCase().replace(/\.$/, '')
}
