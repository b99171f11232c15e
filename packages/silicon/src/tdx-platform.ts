import type { TdxCollateral, TrustAnchor } from '@strongroom/evidence'

/** What a trust domain is built from. */
export interface TdxLaunch {
  /** Whole image; it is measured, not run. */
  firmware: Uint8Array
  /** 8 bytes, least significant first; not debuggable when absent. */
  attributes?: bigint
  xfam?: bigint
  /** 48 bytes. */
  mrConfigId?: Uint8Array
}

/** A running trust domain as the TDX module knows it. */
export interface TdxGuest {
  /** 48 bytes. */
  mrtd: Uint8Array
  /**
   * TDREPORT of 1024 bytes.
   * @param reportData 64 bytes
   */
  tdReport(reportData: Uint8Array): Promise<Uint8Array>
}

/** TDX module, quoting enclave and provisioning service of one platform. */
export interface TdxPlatform {
  /** Pin of the root that the platform's quotes end at. */
  anchor: TrustAnchor
  launch(o: TdxLaunch): Promise<TdxGuest>
  /** Quote over a TDREPORT of this platform; refuses one whose MAC is not its own. */
  quote(tdReport: Uint8Array): Promise<Uint8Array>
  /** Raw texts, chains and lists as Intel's service gives them, kept fresh. */
  collateral(): Promise<TdxCollateral>
  /** TCB info of the vendor's next set, which does not count yet: signed text, its chain is the other's. */
  earlyTcbInfo(): Promise<string>
}
