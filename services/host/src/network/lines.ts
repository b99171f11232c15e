/** Lines of a key and a value in base64, as the guest's agent reads them: no value can make another line. */
export const keyLines = (entries: readonly (readonly [string, string | Uint8Array])[]): string =>
  entries.map(([key, value]) => `${key} ${Buffer.from(value).toString('base64')}\n`).join('')
