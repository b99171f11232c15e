/**
 * A process that uses keys in a PKCS#11 token, for a test that looks into its memory. Started with one argument, JSON:
 * Options. Answers a line of JSON for each line that it is sent: `make`, `sign`, `release`, `snapshot`, `hold BASE64`
 * (keeps the value in memory, to show that a search for it succeeds).
 */
import { randomBytes } from 'node:crypto'
import { createInterface } from 'node:readline'
import { writeHeapSnapshot } from 'node:v8'
import { readPin } from '../keystore/configuration.ts'
import type { KeyBinding, PublicParts } from '../keystore/keystore.ts'
import { generateInside } from '../keystore/pkcs11/objects.ts'
import { releaseAbility, wrapInside } from '../keystore/pkcs11/release.ts'
import { Token } from '../keystore/pkcs11/token.ts'
import { useInside } from '../keystore/pkcs11/uses.ts'

interface Options {
  module: string
  label: string
  pinFile: string
  wrappingKey: { n: string; e: string }
  snapshot: string
}

const o = JSON.parse(process.argv[2]!) as Options
const binding: KeyBinding = {
  vault: 'v',
  name: 'k',
  version: '1'.repeat(32),
  exportable: true,
  policyHash: 'b'.repeat(64),
}
const spec = { type: 'RSA', bits: 2048 } as const
const token = await Token.open({
  module: o.module,
  label: o.label,
  pin: () => readPin({ kind: 'pkcs11', module: o.module, token: o.label, pinFile: o.pinFile }),
})
const held: Buffer[] = []
let made: { publicParts: PublicParts; id: Buffer }

async function answer(command: string): Promise<object> {
  if (command.startsWith('hold ')) return { held: held.push(Buffer.from(command.slice(5), 'base64')) }
  if (command === 'snapshot') return { file: writeHeapSnapshot(o.snapshot) }
  if (command === 'make') {
    made = await token.withSession((session) => generateInside(session, spec, binding))
    return { n: made.publicParts.n, id: made.id.toString('hex') }
  }
  return token.withSession(async (session) => {
    const key = token.find(session, session.binding.CKO_PRIVATE_KEY, made.id)!
    if (command === 'release') {
      const { keyWrapPad } = await releaseAbility(session, 'token')
      const wrapping = {
        key,
        wrappingKey: o.wrappingKey,
        algorithm: 'CKM_RSA_AES_KEY_WRAP',
        keyWrapPad: keyWrapPad!,
      } as const
      return { wrapped: (await wrapInside(session, wrapping)).toString('base64') }
    }
    const use = { operation: 'sign', algorithm: 'RS256', value: randomBytes(32) } as const
    return { signed: (await useInside(session, { key, spec, keyWrapPad: undefined }, use)).value.length }
  })
}

process.stdout.write(`${JSON.stringify({ ready: true })}\n`)
for await (const command of createInterface({ input: process.stdin })) {
  const result = await answer(command).catch((error: { code?: string; message: string }) => ({
    error: error.code ?? error.message,
  }))
  process.stdout.write(`${JSON.stringify(result)}\n`)
}
