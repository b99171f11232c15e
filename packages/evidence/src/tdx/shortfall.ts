import type { TcbLack } from '../snp/shortfall.ts'
import type { PckExtension } from './pck.ts'
import { splitSignedJson } from './signed-json.ts'
import { assessPlatform, parseTcbInfo, type TcbInfo } from './tcb-info.ts'
import type { TcbStatus } from './tcb-status.ts'

/** How far a TDX platform is behind what a TCB info of Intel's asks for. */
export interface TdxShortfall {
  status: TcbStatus
  /** When the level that the platform is at was issued; absent below every level. */
  tcbDate?: Date
  /** When the best level was. */
  wantedDate: Date
  tcbEvaluationDataNumber: number
  advisoryIds: readonly string[]
  /** Empty at the best level. */
  lacks: TcbLack[]
}

/**
 * Compares a platform with the best level of a TCB info, part by part.
 * @param o.tcbInfo signed text as Intel serves it; its signature is for verifyTdx to check @param o.teeTcbSvn of the quote, 16 bytes
 * @throws ParseError
 */
export function tdxShortfall(o: { tcbInfo: string; pck: PckExtension; teeTcbSvn: Uint8Array }): TdxShortfall {
  const { body } = splitSignedJson(o.tcbInfo, 'tcbInfo')
  const tcbInfo = parseTcbInfo(body)
  const { status, tcbDate, advisoryIds } = assessPlatform({ ...o, tcbInfo })
  const best = tcbInfo.levels[0]
  return {
    status,
    ...(tcbDate !== undefined && { tcbDate }),
    wantedDate: best?.tcbDate ?? tcbInfo.issueDate,
    tcbEvaluationDataNumber: tcbInfo.tcbEvaluationDataNumber,
    advisoryIds,
    lacks: [...platformLacks(tcbInfo, o, namesIn(body)), ...moduleLack(tcbInfo, o.teeTcbSvn)],
  }
}

interface Platform {
  pck: PckExtension
  teeTcbSvn: Uint8Array
}

function platformLacks({ levels }: TcbInfo, { pck, teeTcbSvn }: Platform, names: ComponentNames): TcbLack[] {
  const [best] = levels
  if (best === undefined) return []
  const first = (teeTcbSvn[1] ?? 0) === 0 ? 0 : 2
  const sgx = best.sgxSvns.map((wanted, index) =>
    lackOf('SGX', index, wanted, pck.componentSvns[index], names.sgx[index]),
  )
  const tdx = best.tdxSvns.map((wanted, index) =>
    index < first ? undefined : lackOf('TDX', index, wanted, teeTcbSvn[index], names.tdx[index]),
  )
  const pce: TcbLack | undefined =
    pck.pceSvn < best.pceSvn
      ? {
          component: 'provisioning certification enclave',
          found: pck.pceSvn,
          wanted: best.pceSvn,
          update: 'Install Intel’s newer SGX platform software on the host, and have its PCK certificate issued anew.',
        }
      : undefined
  return [...sgx, ...tdx, pce].filter((lack) => lack !== undefined)
}

function moduleLack({ moduleIdentities }: TcbInfo, teeTcbSvn: Uint8Array): TcbLack[] {
  const [found = 0, version = 0] = teeTcbSvn
  const id = `TDX_${version.toString(16).padStart(2, '0').toUpperCase()}`
  const wanted = moduleIdentities.find((each) => each.id.toUpperCase() === id)?.levels[0]?.isvSvn
  if (version === 0 || wanted === undefined || found >= wanted) return []
  const update = 'Load Intel’s newer TDX module on the host, and start the VM anew.'
  return [{ component: `TDX module ${id}`, found, wanted, update }]
}

/** What Intel calls the components: `Early Microcode Update` of `BIOS`; undefined where it names none. */
interface ComponentNames {
  sgx: (ComponentName | undefined)[]
  tdx: (ComponentName | undefined)[]
}

interface ComponentName {
  category?: unknown
  type?: unknown
}

function namesIn(body: string): ComponentNames {
  const { tcbLevels } = JSON.parse(body) as { tcbLevels: { tcb: Record<string, (ComponentName | undefined)[]> }[] }
  const tcb = tcbLevels[0]?.tcb
  return { sgx: tcb?.['sgxtcbcomponents'] ?? [], tdx: tcb?.['tdxtcbcomponents'] ?? [] }
}

const updates: Record<string, string> = {
  BIOS: 'Install the newer BIOS of the board’s maker on the host.',
  'OS/VMM': 'Install newer Intel microcode or SGX software in the host’s operating system.',
}
const anyUpdate = 'Install the newer BIOS of the board’s maker on the host: it brings microcode and firmware modules.'

function lackOf(
  kind: 'SGX' | 'TDX',
  index: number,
  wanted: number,
  found = 0,
  name: ComponentName | undefined,
): TcbLack | undefined {
  if (found >= wanted) return undefined
  const type = typeof name?.type === 'string' && name.type !== '' ? ` (${name.type})` : ''
  const category = typeof name?.category === 'string' ? name.category : ''
  return { component: `${kind} component ${index + 1}${type}`, found, wanted, update: updates[category] ?? anyUpdate }
}
