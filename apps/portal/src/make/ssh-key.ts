const text = (value: string): Uint8Array => new TextEncoder().encode(value)

/** A string of the SSH wire (RFC 4251 section 5): length, then content. */
function field(content: Uint8Array): Uint8Array {
  const out = new Uint8Array(4 + content.length)
  new DataView(out.buffer).setUint32(0, content.length)
  out.set(content, 4)
  return out
}

const join = (...parts: Uint8Array[]): Uint8Array => {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

const base64 = (bytes: Uint8Array): string => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))

export interface SshKey {
  publicText: string
  /** PEM of OpenSSH's own format (PROTOCOL.key), without a passphrase. */
  privateText: string
}

/** A new Ed25519 key, created in this page: its private half is only downloaded, and sent nowhere. */
export async function makeSshKey(comment: string): Promise<SshKey> {
  const pair = (await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify'])) as CryptoKeyPair
  const open = new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey))
  // The seed is the last 32 bytes of the PKCS #8 form (RFC 8410 section 7).
  const seed = new Uint8Array(await crypto.subtle.exportKey('pkcs8', pair.privateKey)).slice(-32)
  const kind = field(text('ssh-ed25519'))
  const check = crypto.getRandomValues(new Uint8Array(4))
  const secret = join(check, check, kind, field(open), field(join(seed, open)), field(text(comment)))
  const padding = Uint8Array.from({ length: (8 - (secret.length % 8)) % 8 }, (_, index) => index + 1)
  const none = field(text('none'))
  const whole = join(
    text('openssh-key-v1\0'),
    none,
    none,
    field(new Uint8Array()),
    Uint8Array.of(0, 0, 0, 1),
    field(join(kind, field(open))),
    field(join(secret, padding)),
  )
  const lines = base64(whole).match(/.{1,70}/g) ?? []
  return {
    publicText: `ssh-ed25519 ${base64(join(kind, field(open)))} ${comment}`,
    privateText: `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines.join('\n')}\n-----END OPENSSH PRIVATE KEY-----\n`,
  }
}
