const utf8 = new TextDecoder('utf-8', { fatal: true })

/** @throws TypeError if the bytes are not UTF-8 */
export const textOf = (bytes: Uint8Array): string => utf8.decode(bytes)
