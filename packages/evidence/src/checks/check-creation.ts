import { equal } from '../core/bytes/bytes.ts'
import { toHex } from '../core/bytes/hex.ts'
import { type CreationAttest, parseTpmsAttest } from '../tpm/attest.ts'
import { parseTpm2bPublic, requireAttestationKey, tpmName, type TpmPublicKey } from '../tpm/public.ts'
import type { Check } from './check.ts'
import { checkKeyBinding, checkSignature, type TpmEvidence } from './check-tpm.ts'
import { Checklist } from './checklist.ts'
import { VerificationError } from '../core/errors.ts'

/**
 * Verifies a TPM2_CertifyCreation: the attestation key certifies that its TPM created an object.
 * @param o.objects TPM2B_PUBLIC of the candidate objects
 */
export async function checkTpmCreation(o: TpmEvidence & { objects: readonly Uint8Array[] }): Promise<Check> {
  const list = new Checklist()
  if (o.akPublic === undefined) list.skip('tpm.key', 'The attestation key was not given')
  const key =
    o.akPublic &&
    (await list.run('tpm.key', [o.akPublic], (given: Uint8Array | TpmPublicKey) =>
      given instanceof Uint8Array ? requireAttestationKey(given) : given,
    ))
  if (key !== undefined) await checkKeyBinding(list, o)
  await checkSignature(list, key, o)
  const attest = await list.run(
    'tpm.format',
    [],
    () => readCreation(o.message),
    ({ name }) => toHex(name),
  )
  const names = await Promise.all(o.objects.map((object) => nameOf(object)))
  const known = attest !== undefined && names.some((name) => name !== undefined && equal(name, attest.name))
  if (attest === undefined || known) await list.run('tpm.created', [attest], (made: CreationAttest) => made.name, toHex)
  else list.skip('tpm.created', `The public area (TPM2B_PUBLIC) named ${toHex(attest.name)} was not given`)
  return list.all('tpm')
}

function readCreation(message: Uint8Array): CreationAttest {
  const attest = parseTpmsAttest(message)
  if (attest.type === 'creation') return attest
  const facts = { expected: 'creation', found: attest.type }
  throw new VerificationError({
    code: 'TpmTypeMismatch',
    message: 'The TPM signed another kind of structure',
    ...facts,
  })
}

async function nameOf(object: Uint8Array): Promise<Uint8Array | undefined> {
  try {
    return await tpmName(parseTpm2bPublic(object))
  } catch {
    // The check that judges the file reports what is wrong with it.
    return undefined
  }
}
