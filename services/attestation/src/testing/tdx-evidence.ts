import { createPrivateKey, sign } from 'node:crypto'
import { bitString, children, ecdsaSignature, sequence } from '@strongroom/der'
import { parsePem } from '@strongroom/evidence'

/** Order of P-256. */
const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

/** Offsets in a quote (version 4) of the lengths of what follows: all signature data, and the certification data in it. */
export const lengthsAt: readonly [number, number] = [632, 636 + 128 + 2]

/** The same quote with another file for its root certificate: the signature (r, n − s) verifies like (r, s). */
export function withReencodedRoot(quote: Uint8Array): Uint8Array {
  const start = Buffer.from(quote).indexOf('-----BEGIN CERTIFICATE-----')
  const chain = parsePem(Buffer.from(quote.subarray(start)).toString('latin1').replaceAll('\0', ''))
  const root = chain.at(-1)!
  const text = Buffer.from(pemOf([...chain.slice(0, -1), withOtherS(root)]))
  const changed = Buffer.concat([quote.subarray(0, start), text])
  const grown = changed.length - quote.length
  for (const at of [...lengthsAt, start - 4]) changed.writeUInt32LE(changed.readUInt32LE(at) + grown, at)
  return Uint8Array.from(changed)
}

/** A certificate, or another structure signed by ECDSA with P-256, with s replaced by n − s. */
export function withOtherS(der: Uint8Array): Uint8Array {
  const [toBeSigned, algorithm, signature] = children(der) as [Uint8Array, Uint8Array, Uint8Array]
  // Tag, length and the unused-bits octet come first; then r and s, each a value of at most 33 bytes of content.
  const [r, s] = children(signature.subarray(3)).map((value) =>
    BigInt(`0x${Buffer.from(value.subarray(2)).toString('hex')}`),
  ) as [bigint, bigint]
  const raw = Buffer.from([r, order - s].map((half) => half.toString(16).padStart(64, '0')).join(''), 'hex')
  return sequence(toBeSigned, algorithm, bitString(ecdsaSignature(raw)))
}

/** The same signed text with s replaced by n − s. */
export function withOtherSignature(text: string): string {
  return text.replace(/(?<="signature":"[0-9a-f]{64})[0-9a-f]{64}(?="\}$)/, (s) =>
    (order - BigInt(`0x${s}`)).toString(16).padStart(64, '0'),
  )
}

/** An Intel collateral text with changed content, signed again by the authorised key. @param pkcs8 of the TCB signing key */
export function resigned(text: string, pkcs8: Uint8Array, change: (body: string) => string): string {
  const [, member, body] = /^\{"(\w+)":(.*),"signature":"[0-9a-f]+"\}$/.exec(text)!
  const key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' })
  const changed = change(body!)
  const signature = sign('sha256', Buffer.from(changed), { key, dsaEncoding: 'ieee-p1363' }).toString('hex')
  return `{"${member}":${changed},"signature":"${signature}"}`
}

/** For `resigned`: a TCB info with other dates, and optionally another status and number. */
export function otherWords(o: {
  issued: Date
  until: Date
  status?: string
  edition?: number
}): (body: string) => string {
  const second = (time: Date): string => `${time.toISOString().slice(0, 19)}Z`
  return (body) =>
    body
      .replace(/"issueDate":"[^"]+"/, `"issueDate":"${second(o.issued)}"`)
      .replace(/"nextUpdate":"[^"]+"/, `"nextUpdate":"${second(o.until)}"`)
      .replaceAll('"tcbStatus":"UpToDate"', `"tcbStatus":"${o.status ?? 'UpToDate'}"`)
      .replace(/(?<="tcbEvaluationDataNumber":)\d+/, (found) => String(o.edition ?? found))
}

function pemOf(chain: readonly Uint8Array[]): string {
  return chain
    .map((der) => {
      const lines = Buffer.from(der)
        .toString('base64')
        .match(/.{1,64}/g)!
      return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
    })
    .join('')
}
