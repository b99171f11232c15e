import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { homeRegion, sharedAttestationHost } from '@strongroom/contract'
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose'
import { connect } from '../../apps/cli/src/client/connection.ts'
import type { Guest } from './guest.ts'
import type { Trial } from './rule.ts'

const issuer = `https://${sharedAttestationHost(homeRegion.code)}`

/** Attests from inside with stock tools, in both ways, and verifies the tokens as a relying party would. */
export async function attestsItself(t: Trial, guest: Guest, type: string): Promise<void> {
  const { trusted } = await guest.trust()
  t.note('the boot, which nobody had to do anything for', trusted ? 'attested, every link verified' : 'not trusted')
  assert.equal(trusted, true)
  const program = await readFile(resolve(import.meta.dirname, '../insider/attest-guest'), 'base64')
  await guest.root(`base64 -d >/run/attest-guest <<<${program}`)
  const { fetchKeySet } = await connect(guest.installation.stateDir)
  const keys = createLocalJWKSet((await fetchKeySet(issuer)) as JSONWebKeySet)
  for (const mode of ['azure-guest', 'direct']) {
    const nonce = `faq-${mode}`
    await guest.root(`bash /run/attest-guest ${mode} ${issuer} ${nonce} /run/attest/${nonce}`)
    const token = await guest.root(`cat /run/attest/${nonce}/token`)
    const { payload } = await jwtVerify(token, keys, { issuer })
    const tee = (mode === 'direct' ? payload : payload['x-ms-isolation-tee']) as Record<string, unknown>
    t.note(
      `from inside: ${mode} with a nonce of its own`,
      `${String(payload['x-ms-attestation-type'])}, ${String(tee['x-ms-attestation-type'])}, ${String(tee['x-ms-compliance-status'])}`,
    )
    assert.equal(tee['x-ms-attestation-type'], type)
    assert.equal(tee['x-ms-compliance-status'], 'azure-compliant-cvm')
  }
}
