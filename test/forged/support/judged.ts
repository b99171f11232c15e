import type { Check, TrustAnchors, VerifyContext } from '@strongroom/evidence'
import { detect, judge, type EvidencePolicy, type Judgement } from '@strongroom/evidence/files'

/** Files' content by name, as a verifier gives them. */
export type Files = Readonly<Record<string, Uint8Array | string | object | undefined>>

const bytesOf = (content: Uint8Array | string | object): Uint8Array =>
  content instanceof Uint8Array
    ? content
    : Uint8Array.from(Buffer.from(typeof content === 'string' ? content : JSON.stringify(content)))

/** Judges files like `strongroom evidence verify`, without its process. */
export async function judgeFiles(
  files: Files,
  o: VerifyContext & {
    anchors: TrustAnchors
    at: Date
    policy?: EvidencePolicy | undefined
    expired?: () => boolean
  },
): Promise<Judgement> {
  const { policy, ...rest } = o
  const pieces = Object.entries(files).flatMap(([name, content]) =>
    content === undefined ? [] : detect(name, bytesOf(content)),
  )
  return await judge({ pieces, ...rest, ...(policy === undefined ? {} : { policy }) })
}

/** Each group of checks with its results: passed ones by id only, others with a code or an outcome. */
export function treeOf({ check }: Judgement): [id: string, ...of: string[]][] {
  const told = (each: Check): string[] => {
    if (each.children.length > 0 && each.outcome !== 'passed' && !each.id.endsWith('policy'))
      return each.children.flatMap(told)
    const outcome = each.optional === true ? 'not asked' : (each.code ?? each.outcome)
    const rules = each.id.endsWith('policy') ? each.children.flatMap(told) : []
    return [...(outcome === 'passed' ? [] : [`${each.id} ${outcome}`]), ...rules]
  }
  return check.children.map((group) => [`${group.id} ${group.code ?? group.outcome}`, ...group.children.flatMap(told)])
}

/** Every check that did not pass, with its code or outcome; groups are omitted. */
export const faultsOf = (judgement: Judgement): string[] =>
  treeOf(judgement).flatMap(([group, ...rest]) =>
    rest.length > 0 || group.endsWith(' passed') ? rest.filter((each) => !each.endsWith('not asked')) : [group],
  )
