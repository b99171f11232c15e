import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { attestationRegionCodes, sharedAttestationHost } from '@strongroom/contract'
import type { TrustAnchor } from '@strongroom/evidence'
import { ServiceError } from '@strongroom/platform'
import { isObject } from '../core/request.ts'
import type { AcceptedSilicon } from './anchors.ts'

/**
 * Simulated silicon of other installations that providers here verify. An object by name, each `{ "providers": [host
 * names], "anchors": contents of the other installation's anchors.json }`.
 */
export const acceptedSiliconFile = 'accepted-silicon.json'

/** STATE/accepted-silicon.json; empty without the file. @throws ServiceError AcceptedSiliconInvalid */
export async function readAcceptedSilicon(stateDir: string): Promise<AcceptedSilicon[]> {
  const path = join(stateDir, acceptedSiliconFile)
  try {
    return parseAcceptedSilicon(await readFile(path, 'utf8'), path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** @throws ServiceError AcceptedSiliconInvalid */
export function parseAcceptedSilicon(text: string, path: string): AcceptedSilicon[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw invalid(path, 'JSON', 'another text', cause)
  }
  if (!isObject(value)) throw invalid(path, 'an object by name', value)
  return Object.entries(value).map(([name, entry]) => {
    const { providers, anchors } = isObject(entry) ? entry : {}
    if (!isObject(anchors)) throw invalid(path, `${name}.anchors: the content of an anchors.json`, anchors)
    const { simulated, amd, intel } = anchors
    if (simulated !== true) throw invalid(path, `${name}.anchors.simulated: true`, simulated)
    return {
      hosts: hostsOf(path, `${name}.providers`, providers),
      anchors: {
        simulated,
        amd: pins(path, `${name}.anchors.amd`, amd),
        intel: pins(path, `${name}.anchors.intel`, intel),
      },
    }
  })
}

const hostForm = /^[a-z0-9-]{3,40}\.[a-z0-9]{2,8}\.attest\.strongroom\.internal$/

/** Shared providers vouch for this installation's own VMs: foreign silicon is never accepted there. */
function hostsOf(path: string, place: string, value: unknown): string[] {
  const shared = attestationRegionCodes.map(sharedAttestationHost)
  const isHost = (each: unknown): each is string =>
    typeof each === 'string' && hostForm.test(each) && !shared.includes(each)
  if (Array.isArray(value) && value.length > 0 && value.length <= 32 && value.every(isHost)) return value
  throw invalid(path, `${place}: host names of providers, no shared one among them`, value)
}

function pins(path: string, place: string, value: unknown): TrustAnchor[] {
  if (!Array.isArray(value) || value.length > 32) throw invalid(path, `${place}: a list of at most 32 roots`, value)
  return value.map((each: unknown, index) => {
    const { name, spkiSha256 } = isObject(each) ? each : {}
    if (typeof name === 'string' && typeof spkiSha256 === 'string' && /^[0-9a-f]{64}$/.test(spkiSha256))
      return { name, spkiSha256 }
    throw invalid(path, `${place}[${index}]: name and spkiSha256 (64 hexadecimal digits)`, each)
  })
}

function invalid(path: string, expected: string, found: unknown, cause?: unknown): ServiceError {
  return new ServiceError({
    code: 'AcceptedSiliconInvalid',
    message: `${path} does not contain the roots of other installations' silicon.`,
    target: acceptedSiliconFile,
    expected,
    found: (typeof found === 'string' ? found : (JSON.stringify(found) ?? 'nothing')).slice(0, 200),
    remedy: 'For example { "NAME": { "providers": ["HOST"], "anchors": <their anchors.json> } }; or remove the file.',
    cause,
  })
}
