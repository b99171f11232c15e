import { buildHclReport, concat, parseCertificate, parseTdxQuote, toBase64, toHex, utf8 } from '@strongroom/evidence'
import { buildSnpIdAuthentication, buildSnpIdBlock } from '@strongroom/evidence/expected'
import { createSilicon } from '@strongroom/silicon'
import { memoryKeyStore, settableClock, tinyFirmware } from '@strongroom/silicon/testing'
import { ccaToken, nitroDocument, scaleCollateral, svsmManifest } from './foreign.ts'
import {
  eventLog,
  measuredVariable,
  owner,
  peImage,
  platformClaim,
  authenticatedVariable,
  signatureList,
  tdvfFirmware,
  tpmPublic,
  tpmQuote,
  variableStore,
} from './structures.ts'

const envelope = (header: object, payload: object, signature: string): Uint8Array =>
  utf8(`${[header, payload].map((part) => toBase64Url(utf8(JSON.stringify(part)))).join('.')}.${signature}`)

/** Initial inputs by target: what simulated silicon makes, and minimal well-formed structures of other makers. */
export async function makeSeeds(): Promise<Record<string, Uint8Array[]>> {
  const silicon = await createSilicon({ keys: memoryKeyStore(), clock: settableClock() })
  const firmware = tinyFirmware()
  const amd = await silicon.amd.endorsements()
  const guest = await silicon.amd.launch({ firmware, vCPUs: 1, vcpuType: 'EPYC-Milan' })
  const report = await guest.report(new Uint8Array(64).fill(7))
  const tdFirmware = tdvfFirmware()
  const td = await silicon.intel.launch({ firmware: tdFirmware })
  const tdReport = await td.tdReport(new Uint8Array(64).fill(9))
  const quote = await silicon.intel.quote(tdReport)
  const k = await silicon.intel.collateral()
  const { certification } = parseTdxQuote(quote)
  const chain = certification.type === 'pckChain' ? [...certification.chain] : []
  const claims = utf8(
    '{"keys":[{"kid":"HCLAkPub","kty":"RSA","n":"AQAB","e":"AQAB","key_ops":["sign"]}],"user-data":"00"}',
  )
  const hcl = [
    buildHclReport({ hardwareReport: report, reportType: 'SNP', claims }),
    buildHclReport({ hardwareReport: tdReport, reportType: 'TDX', claims }),
  ]
  const bindingText = '{"version":1,"keyId":"https://box.vault.strongroom.internal/keys/disk/11","wrappedKey":"AQID"}'
  const text = (value: string): Uint8Array => utf8(value)
  const token = [
    { alg: 'RS256', kid: 'k', typ: 'JWT' },
    { iss: 'https://a', iat: 1, nbf: 1, exp: 2 },
  ]
    .map((part) => toBase64Url(utf8(JSON.stringify(part))))
    .join('.')
  const idBlock = buildSnpIdBlock({ launchDigest: guest.measurement, policy: 0x3001fn })
  const signer = await owner()
  const idAuthentication = await buildSnpIdAuthentication({ block: idBlock, idKey: signer, author: signer })
  const seeds: Record<string, Uint8Array[]> = {
    templateExpression: [
      text("format('{0}-{1}', parameters('a').b[add(1, copyIndex('l'))], resourceId('A.B/c/d', 'x', 'it''s'))"),
      text("map(range(0, 3), lambda('x', mul(lambdaVariables('x'), -2)))"),
    ],
    roleCondition: [
      text(
        "((!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})) OR (@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {acdd72a7-3385-48ef-bd42-f606fba81ae7, 8e3af657-a8ff-443c-a75c-2fe8c4bcb635} AND @Request[Microsoft.Authorization/roleAssignments:PrincipalType] StringLike 'U?e*')) && NOT Exists @Resource[Microsoft.Authorization/roleAssignments:PrincipalId]",
      ),
    ],
    armBody: [
      text('{"properties":{"mode":"Incremental", template:{/* x */ "resources":[],}}} '),
      text('{"location":"westeurope","tags":{"a":"b"},"properties":{"a":[1,true,null,"\\u0041"]}}'),
    ],
    priceList: [
      text(
        '{"currency":"EUR","items":[{"meter":"compute","armSkuName":"Standard_DC2as_v5","armRegionName":"westeurope","unitPrice":0.1,"unitOfMeasure":"1 Hour","effectiveStartDate":"2026-01-01"}]}',
      ),
    ],
    costQuery: [
      text(
        '{"type":"Usage","timeframe":"Custom","timePeriod":{"from":"2026-01-01","to":"2026-01-31"},"dataset":{"granularity":"Daily","aggregation":{"a":{"name":"Cost","function":"Sum"}},"grouping":[{"type":"TagKey","name":"t"}],"filter":{"and":[{"dimensions":{"name":"Meter","operator":"In","values":["compute"]}},{"tags":{"name":"t","operator":"In","values":["x"]}}]}}}',
      ),
    ],
    usageFilter: [text("properties/usageEnd ge '2026-01-01T00:00:00Z' and properties/instanceName eq 'vm1'")],
    snpReport: [report],
    tdxQuote: [quote],
    tdReport: [tdReport],
    certificate: [amd.vcek, amd.ask, amd.ark, ...chain],
    endorsement: [amd.vcek],
    pckExtension: chain.slice(0, 1),
    crl: [amd.crl, k.pckCrl, k.rootCaCrl],
    publicKey: [amd.vcek, amd.ark, ...chain].map((der) => parseCertificate(der).publicKey.spki),
    pem: [text(amd.chainPem), text(k.tcbInfoIssuerChainPem)],
    base64: [text(toBase64(report))],
    hex: [text(toHex(report))],
    tcbInfo: [text(k.tcbInfo)],
    qeIdentity: [text(k.qeIdentity)],
    hclReport: hcl,
    customerBinding: [concat(text(bindingText), new Uint8Array(2048 - bindingText.length))],
    backupManifest: [
      envelope(
        { alg: 'HS256', typ: 'strongroom-backup+jws' },
        {
          version: 1,
          id: '0A1B2C3D-0000-4000-8000-00000000000A',
          vm: { name: 'a' },
          disks: [{ name: 'os' }],
          files: [],
        },
        'AQID',
      ),
    ],
    sshSignature: [text(toBase64(concat(utf8('SSHSIG'), new Uint8Array([0, 0, 0, 1, 0, 0, 0, 1, 65]))))],
    runtimeClaims: [claims],
    tpmsAttest: [tpmQuote()],
    tpm2bPublic: [tpmPublic()],
    tpmtSignature: [concat(Uint8Array.of(0, 0x14, 0, 0x0b, 1, 0), new Uint8Array(256).fill(3))],
    platformClaim: [platformClaim()],
    eventLog: [eventLog()],
    guestCommand: ['{"exitCode":0,"stdout":"b3V0","stderr":""}', '{"refused":"it was run before"}'].map(text),
    reportWithoutTpm: ['{"nonce":"AAAA","vtpm":"none"}'].map(text),
    guestHealth: [
      text(
        '{"swaps":[{"name":"/dev/sdb1","type":"partition","sizeKiB":1,"protected":false}],"clock":{"daemon":"active","ptpReference":false,"offsetSeconds":-0.25},"tpm":{"device":true,"lockout":false,"seals":true},"disks":[{"place":"lun63","device":"/dev/sda","sizeBytes":4096,"encrypted":true}]}',
      ),
    ],
    reportUserData: [text('{"userData":"AAAA"}')],
    guestSettings: [
      text('hostname dm0=\nadminUsername YQ==\nvmId VQ==\ncustomData AA==\nsshPublicKey c3NoLWVkMjU1MTkgQUFBQQ==\n'),
    ],
    userspaceLog: [
      text(
        `\u001e{"pcr":15,"digests":[{"hashAlg":"sha256","digest":"${'00'.repeat(32)}"}],"content_type":"systemd","content":{"string":"cryptsetup:root:0","eventType":"volume-key"}}\n\u001e{"pcr":11,"digests":[{"hashAlg":"sha256","digest":"${'ff'.repeat(32)}"}]}\n`,
      ),
    ],
    pe: [peImage()],
    authenticatedVariable: [authenticatedVariable()],
    signatureLists: [signatureList()],
    variableStore: [variableStore()],
    measuredVariable: [measuredVariable()],
    idBlock: [idBlock],
    idAuthentication: [idAuthentication],
    snpFirmware: [firmware],
    tdvf: [tdFirmware, firmware],
    jws: [text(`${token}.c2ln`)],
    jwks: [text('{"keys":[{"kty":"EC","crv":"P-256","kid":"k","use":"sig","x":"AQAB","y":"AQAB"}]}')],
    guestRequest: [
      text(
        JSON.stringify({
          AttestationProtocolVersion: '2.0',
          OSType: 'TGludXg=',
          OSDistro: '',
          OSBuild: '',
          OSVersionMajor: 13,
          OSVersionMinor: 0,
          TcgLogs: '',
          ClientPayload: { nonce: 'b25jZQ==' },
          TpmInfo: {
            AikCert: 'AAAA',
            AikPub: 'AAAA',
            PcrQuote: 'AAAA',
            PcrSignature: 'AAAA',
            EncKeyPub: 'AAAA',
            EncKeyCertifyInfo: 'AAAA',
            EncKeyCertifyInfoSignature: 'AAAA',
            PcrSet: [7],
            PCRs: [{ Index: 7, Digest: 'AAAA' }],
          },
          IsolationInfo: { Type: 'SevSnp', Evidence: { Proof: 'e30=', RunTimeData: 'e30=' } },
        }),
      ),
    ],
    tpmMessage: [
      text('{"payload":{"type":"aikcert"}}'),
      text(
        JSON.stringify({
          payload: {
            request: `e30.${toBase64Url(
              text(
                JSON.stringify({
                  att_type: 'basic',
                  att_data: {
                    rp_id: 'a',
                    rp_data: 'AAAA',
                    challenge: 'AAAA',
                    service_context: 'AAAA',
                    tpm_att_data: {
                      srtm_boot_log: 'AAAA',
                      aik_cert: 'AAAA',
                      aik_pub: { kty: 'RSA' },
                      current_claim: 'AAAA',
                    },
                    attest_key: { kty: 'RSA', n: 'AAAA', e: 'AQAB' },
                  },
                }),
              ),
            )}.AAAA`,
          },
        }),
      ),
    ],
    policyEnvelope: [envelope({ alg: 'none' }, { AttestationPolicy: 'dmVyc2lvbj0xLjA7' }, '')],
    signerEnvelope: [
      envelope(
        { alg: 'RS256', x5c: ['AAAA'] },
        { policyCertificate: { kty: 'RSA', x5c: [toBase64(amd.ark)] } },
        'AAAA',
      ),
    ],
    attestBody: [
      text(
        JSON.stringify({
          runtimeData: { data: 'e30', dataType: 'JSON' },
          initTimeData: { data: 'AAAA', dataType: 'Binary' },
          nonce: 'once',
          collateral: { ...k, pckCrl: 'AAAA', rootCaCrl: 'AAAA' },
        }),
      ),
    ],
    operatorFiles: [
      text(
        '{"other":{"issuer":"https://a.example","keys":"https://b.example/k","connect":"127.0.0.1:1","authority":"/a","collateral":true}}',
      ),
      text(
        '{"other":{"providers":["witness.weu.attest.strongroom.internal"],"anchors":{"simulated":true,"amd":[{"name":"a","spkiSha256":"' +
          'ab'.repeat(32) +
          '"}],"intel":[]}}}',
      ),
      text('{"amd":"https://kdsintf.amd.com","intel":"http://127.0.0.1:1"}'),
    ],
    collateralBundle: [
      text(
        JSON.stringify({
          format: 'strongroom-collateral',
          version: 1,
          exportedAt: '2026-11-25T00:00:00Z',
          items: [
            { path: '/vcek/v1/Milan/crl', body: toBase64(amd.crl), headers: {} },
            { path: '/vcek/v1/Milan/cert_chain', body: toBase64(text(amd.chainPem)), headers: {} },
            {
              path: '/tdx/certification/v4/qe/identity',
              body: toBase64(text(k.qeIdentity)),
              headers: { 'sgx-enclave-identity-issuer-chain': 'x' },
            },
          ],
        }),
      ),
    ],
    policy: [
      text(
        'version=1.2;configurationrules{=>issueproperty(type="report_validity_in_minutes",value=60);};authorizationrules{// c\n[type=="x-ms-compliance-status",value=="azure-compliant-cvm",issuer=="AttestationService"]=>permit();};issuancerules{c:[type=="list"]&&![type=="x",value>=0x1F]=>issue(type="y",value=ContainsOnlyValue(c.value,1));c:[type=="events"]=>issue(type="z",value=JsonToClaimValue(JmesPath(c.value,"length(Events)")));c:[type=="events"]=>issue(claim=c);};',
      ),
      text('version=1.0;authorizationrules{=>deny();};issuancerules{};'),
    ],
    keyTransfer: [
      text(
        '{"schema_version":"1.0.0","header":{"kid":"https://kv1.vault.strongroom.internal/keys/kek/00112233445566778899aabbccddeeff","alg":"dir","enc":"CKM_RSA_AES_KEY_WRAP"},"ciphertext":"AAAA","generator":"g"}',
      ),
    ],
    releasePolicy: [
      utf8(
        '{"version":"1.0.0","anyOf":[{"authority":"https://a.attest.strongroom.internal","allOf":[{"claim":"x-ms-compliance-status","equals":"azure-compliant-cvm"},{"anyOf":[{"claim":"a.b","equals":1}]}]}]}',
      ),
    ],
    policyQuery: [
      text("Events[? PcrIndex == `7` && Name == 'SecureBoot'].Data | @[0] == 'AQ'"),
      text('sort_by(Events, &EventSeq)[-1].Tag.{p: Path, v: Values[]} | to_string(@)'),
    ],
    logBundle: [Uint8Array.of(1, 0, 2, 0x7b, 0x7d, 0, 0)],
    logCheckpoint: [text(`a.example/operationlog\n7\n${toBase64(new Uint8Array(32))}\n`)],
    logKey: [text('PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW')],
    directoryFilter: [
      text("displayName eq 'it''s' and mailNickname eq 'b'"),
      text("servicePrincipalNames/any(c:c eq 'x')"),
      text("startswith(displayName,'te')"),
    ],
    cbor: [nitroDocument(), ccaToken()],
    nitroDocument: [nitroDocument()],
    ccaToken: [ccaToken()],
    svsmManifest: [svsmManifest()],
    scaleCollateral: [scaleCollateral()],
    logTilePath: [text('tile/entries/x001/x234/067.p/8')],
    keyRelease: [
      text('{"response":{"key":{"key":{"kid":"k","kty":"RSA-HSM","key_hsm":"e30"}}},"request":{"nonce":"n"}}'),
    ],
  }
  const files = Object.values(seeds).flatMap((some) => some.slice(0, 1))
  return { ...seeds, anyFile: files, explained: files }
}

function toBase64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}
