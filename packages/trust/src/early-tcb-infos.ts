import { collateralPaths, type CollateralBundle } from '@strongroom/contract'
import { fromBase64 } from '@strongroom/evidence'

/** Intel's early TCB infos among stored items: signed texts by FMSPC in lower-case hexadecimal. */
export function earlyTcbInfos(items: CollateralBundle['items']): Map<string, string> {
  const texts = new Map<string, string>()
  for (const { path, body } of items) {
    const fmspc = /fmspc=([0-9a-f]{12})/.exec(path)?.[1]
    if (fmspc === undefined || path !== collateralPaths.tdxEarlyTcbInfo(fmspc)) continue
    texts.set(fmspc, new TextDecoder().decode(fromBase64(body)))
  }
  return texts
}
