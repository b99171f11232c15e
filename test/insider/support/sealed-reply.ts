import { createDecipheriv } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Opens the sealed reply of /attest/AzureGuest that `attest-guest` left in a folder, with the inner key from the
 * guest's TPM: authenticated, as in the stock library.
 */
export function openSealedReply(reply: string, innerKey: Uint8Array): string {
  const { token } = JSON.parse(reply) as { token: string }
  const envelope = JSON.parse(Buffer.from(token, 'base64url').toString()) as {
    EncryptionParams: { Iv: string }
    AuthenticationData: string
    Jwt: string
  }
  const iv = Buffer.from(envelope.EncryptionParams.Iv, 'base64')
  const cipher = createDecipheriv('aes-256-gcm', innerKey, iv)
  cipher.setAAD(Buffer.from('Transport Key')).setAuthTag(Buffer.from(envelope.AuthenticationData, 'base64'))
  return Buffer.concat([cipher.update(Buffer.from(envelope.Jwt, 'base64')), cipher.final()]).toString()
}

export async function readSealedReply(directory: string): Promise<string> {
  const reply = await readFile(join(directory, 'reply.json'), 'utf8')
  return openSealedReply(reply, await readFile(join(directory, 'inner.key')))
}
