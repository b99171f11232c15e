import { fromHex } from '@strongroom/evidence'

/**
 * Security versions of the simulated platform: those of a fully updated machine. The simulation's TCB info uses the
 * same numbers, so its platforms are up to date and an altered one is not.
 */
export const platformTcb: Readonly<{
  fmspc: Uint8Array
  pceId: Uint8Array
  pceSvn: number
  cpuSvn: Uint8Array
  componentSvns: readonly number[]
  teeTcbSvn: Uint8Array
  qeIsvProdId: number
  qeIsvSvn: number
  qeAttributes: Uint8Array
  tcbEvaluationDataNumber: number
}> = {
  // "SIM" and a number: not a family-model-stepping of Intel's.
  fmspc: fromHex('53494d000001'),
  pceId: fromHex('0000'),
  pceSvn: 13,
  cpuSvn: fromHex('03030202040100050000000000000000'),
  componentSvns: [3, 3, 2, 2, 4, 1, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0],
  // Module SVN 7, module version 1, late microcode 3.
  teeTcbSvn: fromHex('07010300000000000000000000000000'),
  qeIsvProdId: 2,
  qeIsvSvn: 7,
  // INIT, MODE64BIT, PROVISIONKEY; XFRM of x87 to AVX-512.
  qeAttributes: fromHex('1500000000000000e700000000000000'),
  tcbEvaluationDataNumber: 18,
}
