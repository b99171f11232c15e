import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { evaluatePolicy, type PolicyOutcome } from './evaluation.ts'
import { parsePolicy } from './parser.ts'
import { claimsForPolicy, issuedClaims } from './token-claims.ts'

const run = (text: string, claims: Record<string, unknown>): PolicyOutcome =>
  evaluatePolicy(parsePolicy(text), claimsForPolicy(claims))
const issued = (text: string, claims: Record<string, unknown>): Record<string, unknown> =>
  issuedClaims(run(text, claims).issued)

/** A measured Windows boot in the JSON form that policies see as the claim `events`. */
function windowsBoot(o: {
  secureBoot?: string
  codeIntegrity?: boolean[]
  bitlocker?: number[]
  driver?: string
  validated?: boolean
}): Record<string, unknown> {
  const tag = (seq: number, pcr: number, boundary: unknown): unknown => ({
    EventSeq: seq,
    EventTypeString: 'EV_EVENT_TAG',
    PcrIndex: pcr,
    ProcessedData: { EVENT_TRUSTBOUNDARY: boundary },
  })
  return {
    events: {
      Events: [
        {
          EventSeq: 1,
          EventTypeString: 'EV_EFI_VARIABLE_DRIVER_CONFIG',
          PcrIndex: 7,
          ProcessedData: {
            UnicodeName: 'SecureBoot',
            VariableGuid: '8BE4DF61-93CA-11D2-AA0D-00E098032B8C',
            VariableData: o.secureBoot ?? 'AQ',
          },
        },
        tag(2, 12, { EVENT_APPLICATION_SVN: 7 }),
        ...(o.codeIntegrity ?? [true]).map((value, index) => tag(3 + index, 13, { EVENT_CODEINTEGRITY: value })),
        ...(o.bitlocker ?? [0, 4]).map((Value, index) => tag(10 + index, 12, { EVENT_BITLOCKER_UNLOCK: { Value } })),
        tag(20, 13, {
          EVENT_LOADEDMODULE_AGGREGATION: [
            {
              EVENT_FILEPATH: o.driver ?? String.raw`\Windows\System32\drivers\wdboot.sys`,
              EVENT_IMAGEVALIDATED: o.validated ?? true,
            },
          ],
        }),
        { EventSeq: 30, EventTypeString: 'EV_SEPARATOR', PcrIndex: 12 },
        tag(31, 12, { EVENT_APPLICATION_SVN: 9 }),
      ],
    },
  }
}

const corpus = '/work/shared/evidence'
const published = (path: string): string => readFileSync(`${corpus}/${path}`, 'utf8')
const docs = 'MicrosoftDocs-azure-docs/maa-policy'
const samples = 'Azure-Samples-microsoft-azure-attestation/policy'

describe.skipIf(!existsSync(corpus))('published policies (in /work/shared), with results derived by hand', () => {
  it('deny.all denies: its one rule is deny() without a condition', () => {
    const { permitted, denial } = run(published(`${samples}/deny.all.txt`), { anything: true })
    expect(permitted).toBe(false)
    expect(denial).toMatchObject({ reason: 'deny' })
  })

  it('permit.secure.boot permits by one claim of the service, true, and no other', () => {
    const text = published(`${samples}/permit.secure.boot.txt`)
    // The condition tests type, value and issuer: a missing claim, false, text and a client's claim each fail one.
    const type = /type\s*==\s*"([^"]+)"/.exec(text)![1]!
    expect(run(text, { [type]: true }).permitted).toBe(true)
    expect(run(text, { [type]: false }).permitted).toBe(false)
    expect(run(text, { [type]: 'true' }).permitted).toBe(false)
    expect(run(text, {}).permitted).toBe(false)
    const byClient = [{ type, value: true, issuer: 'CustomClaim' as const }]
    expect(evaluatePolicy(parsePolicy(text), byClient).permitted).toBe(/issuer/.test(text) ? false : true)
  })

  it('the default of SGX renames six claims and sets the baseline', () => {
    const claims = {
      'x-ms-sgx-is-debuggable': false,
      'x-ms-sgx-mrsigner': 'aa',
      'x-ms-sgx-mrenclave': 'bb',
      'x-ms-sgx-product-id': 1,
      'x-ms-sgx-svn': 2,
      'x-ms-attestation-type': 'sgx',
    }
    const outcome = run(published(`${docs}/sgx-default-v1.1.txt`), claims)
    expect(outcome.permitted).toBe(true)
    expect(Object.fromEntries(outcome.properties)).toEqual({ 'x-ms-sgx-tcbidentifier': 'azuredefault' })
    expect(issuedClaims(outcome.issued)).toEqual({
      'is-debuggable': false,
      'sgx-mrsigner': 'aa',
      'sgx-mrenclave': 'bb',
      'product-id': 1,
      svn: 2,
      tee: 'sgx',
    })
    // A claim missing from the evidence is not renamed.
    expect(issued(published(`${docs}/sgx-default-v1.1.txt`), {})).toEqual({})
  })

  it('the TPM policy of 1.0 says PlatformAttested when all six claims are true, and is silent otherwise', () => {
    const all = ['aikValidated', 'secureBootEnabled', 'bootDebuggingDisabled', 'vbsEnabled', 'notWinPE', 'notSafeMode']
    const claims = Object.fromEntries(all.map((name) => [name, true]))
    const text = published(`${docs}/tpm-v1.0.txt`)
    expect(issued(text, claims)).toEqual({ PlatformAttested: true })
    for (const name of all) expect(issued(text, { ...claims, [name]: false }), name).toEqual({})
    // Issuance never fails attestation.
    expect(run(text, {}).permitted).toBe(true)
  })

  it('the TPM policy of 1.2 finds Secure Boot in the measured events', () => {
    const text = published(`${docs}/tpm-v1.2-secureboot.txt`)
    // 'AQ' is base64url of 01, which firmware measures for SecureBoot when it is on; 'AA' of 00.
    expect(issued(text, { ...windowsBoot({ secureBoot: 'AQ' }), aikValidated: true })).toEqual({
      aikValidated: true,
      SecureBootEnabled: true,
    })
    expect(issued(text, windowsBoot({ secureBoot: 'AA' }))).toEqual({ SecureBootEnabled: false })
    // Without events the third rule matches: the policy has made no claim SecureBootEnabled.
    expect(issued(text, {})).toEqual({ SecureBootEnabled: false })
  })

  it('the policy that issues all copies the texts of events, which are not read-only', () => {
    const claims = { events: { Events: [] }, bootEvents: { x: 1 } }
    expect(issued(published(`${docs}/issue-all-v1.2.txt`), claims)).toEqual({
      outputEvents: '{"Events":[]}',
      outputBootEvents: '{"x":1}',
    })
  })
})

/** The constructs of Microsoft's documentation, in policies of our own. */
const boundaries = (pcrs: number[]): string =>
  `JmesPath(c.value, "Events[? EventTypeString == 'EV_EVENT_TAG' && (${pcrs.map((pcr) => `PcrIndex == \`${pcr}\``).join(' || ')})].ProcessedData.EVENT_TRUSTBOUNDARY")`
const measured = (rules: string): string => `version=1.2;
configurationrules{};
authorizationrules { => permit(); };
issuancerules
{
  c:[type == "events", issuer=="AttestationService"] => add(type="boundaries", value=${boundaries([12, 13, 19, 20])});
  ${rules}
};`

describe('what published policies of version 1.2 are made of', () => {
  it('a set of all measured values must hold one value only', () => {
    const text = measured(`
      c:[type=="boundaries", issuer=="AttestationPolicy"] => add(type="ciSet", value=JsonToClaimValue(JmesPath(c.value, "[*].EVENT_CODEINTEGRITY")));
      c:[type=="ciSet", issuer=="AttestationPolicy"] => issue(type="ci", value=ContainsOnlyValue(c.value, true));
      ![type=="ci", issuer=="AttestationPolicy"] => issue(type="ci", value=false);`)
    expect(issued(text, windowsBoot({ codeIntegrity: [true, true] }))).toEqual({ ci: true })
    // One boundary without code integrity is enough: {true, false} contains more than true, and the result is one value.
    expect(issued(text, windowsBoot({ codeIntegrity: [true, false] }))).toEqual({ ci: false })
    // No measurement: the set is empty, no claim ciSet is made, and the last rule matches.
    expect(issued(text, windowsBoot({ codeIntegrity: [] }))).toEqual({ ci: false })
    expect(issued(text, {})).toEqual({ ci: false })
  })

  it('the first value that is not zero, or zero', () => {
    const text = measured(`
      c:[type=="boundaries", issuer=="AttestationPolicy"] => issue(type="bitlocker", value=JsonToClaimValue(JmesPath(c.value, "[*].EVENT_BITLOCKER_UNLOCK | @[? Value != \`0\`].Value | @[0]")));
      ![type=="bitlocker"] => issue(type="bitlocker", value=0);`)
    expect(issued(text, windowsBoot({ bitlocker: [0, 4, 2] }))).toEqual({ bitlocker: 4 })
    // [] | @[0] is null: an empty claim, so nothing is issued and the last rule matches.
    expect(issued(text, windowsBoot({ bitlocker: [0, 0] }))).toEqual({ bitlocker: 0 })
  })

  it('a driver by its path in any case, with backslashes escaped once for the policy', () => {
    const text = measured(String.raw`
      c:[type=="boundaries"] => issue(type="elam", value=JsonToClaimValue(JmesPath(c.value, "[*].EVENT_LOADEDMODULE_AGGREGATION[] | [? EVENT_IMAGEVALIDATED == ${'`true`'} && equals_ignore_case(EVENT_FILEPATH, '\\windows\\system32\\drivers\\wdboot.sys')] | length(@) > ${'`0`'}")));`)
    expect(issued(text, windowsBoot({}))).toEqual({ elam: true })
    expect(issued(text, windowsBoot({ validated: false }))).toEqual({ elam: false })
    expect(issued(text, windowsBoot({ driver: String.raw`\windows\evil.sys` }))).toEqual({ elam: false })
  })

  it('names without backticks are members, not values: true and null are absent, and compare as null', () => {
    // `EVENT_IMAGEVALIDATED == true` compares with a member named "true", which does not exist: nothing matches, as published.
    const text = measured(
      `c:[type=="boundaries"] => issue(type="loaded", value=JsonToClaimValue(JmesPath(c.value, "[*].EVENT_LOADEDMODULE_AGGREGATION[] | [? EVENT_IMAGEVALIDATED == true] | length(@)")));`,
    )
    expect(issued(text, windowsBoot({}))).toEqual({ loaded: 0 })
    expect(issued(measured('=> issue(type="n", value=JsonToClaimValue(JmesPath("[]", "@ != null")));'), {})).toEqual({
      n: true,
    })
  })

  it('queries that a policy writes from what it found', () => {
    const text = measured(`
      c:[type=="events", issuer=="AttestationService"] => add(type="separator", value=JmesPath(c.value, "Events[? EventTypeString == 'EV_SEPARATOR'] | @[0].EventSeq"));
      c:[type=="separator", value != "null", issuer=="AttestationPolicy"] => add(type="before", value=AppendString(AppendString("Events[? EventSeq < \`", c.value), "\`"));
      [type=="separator", value=="null", issuer=="AttestationPolicy"] => add(type="before", value="Events[? \`true\` ");
      c:[type=="before", issuer=="AttestationPolicy"] => add(type="query", value=AppendString(c.value, " && PcrIndex == \`12\` && ProcessedData.EVENT_TRUSTBOUNDARY.EVENT_APPLICATION_SVN].ProcessedData.EVENT_TRUSTBOUNDARY.EVENT_APPLICATION_SVN | @[-1]"));
      c1:[type=="query"] && c2:[type=="events", issuer=="AttestationService"] => issue(type="svn", value=JsonToClaimValue(JmesPath(c2.value, c1.value)));`)
    // Version 7 precedes the separator (30); the 9 after it does not count.
    expect(issued(text, windowsBoot({}))).toEqual({ svn: 7 })
    const withoutSeparator = windowsBoot({}) as { events: { Events: { EventTypeString: string }[] } }
    withoutSeparator.events.Events = withoutSeparator.events.Events.filter((e) => e.EventTypeString !== 'EV_SEPARATOR')
    expect(issued(text, withoutSeparator)).toEqual({ svn: 9 })
  })

  it('an object picked from the one event that there may be', () => {
    const text = `version=1.2;authorizationrules{=>permit();};issuancerules{
      c:[type=="events", issuer=="AttestationService"] => add(type="auth", value=JmesPath(c.value, "Events[? PcrIndex == \`20\` && Ok != \`null\`] | length(@) == \`1\` && @[0] | @.{Seq:EventSeq, Ok:Ok}"));
      c:[type=="auth", issuer=="AttestationPolicy"] => issue(type="valid", value=JsonToClaimValue(JmesPath(c.value, "Ok")));
      ![type=="valid", issuer=="AttestationPolicy"] => issue(type="valid", value=false);
      [type=="valid", value==true, issuer=="AttestationPolicy"] && c:[type=="auth"] => issue(type="seq", value=JsonToClaimValue(JmesPath(c.value, "Seq")));
    };`
    const log = (...events: object[]): Record<string, unknown> => ({ events: { Events: events } })
    const event = { PcrIndex: 20, EventSeq: 8, Ok: true }
    expect(issued(text, log(event))).toEqual({ valid: true, seq: 8 })
    // Two such events: the comparison is false, its hash contains nulls, and null makes no claim.
    expect(issued(text, log(event, event))).toEqual({ valid: false })
    expect(issued(text, log({ ...event, Ok: false }))).toEqual({ valid: false })
  })

  it('golden values of PCRs are tested in authorization and never leave it', () => {
    const golden = 'aa'.repeat(32)
    const text = `version=1.2;authorizationrules{
      c:[type=="pcrs", issuer=="AttestationService"] => add(type="pcr0", value=JsonToClaimValue(JmesPath(c.value, "PCRs[? Index == \`0\`].Digests.SHA256 | @[0] == '${golden}' ")));
      [type=="pcr0", value==true] => permit();
    };issuancerules{ c:[type=="pcr0"] => issue(claim=c); c:[type=="pcrs"] => issue(type="copy", value=c.value); };`
    const pcrs = (digest: string): Record<string, unknown> => ({
      pcrs: { PCRs: [{ Index: 0, Digests: { SHA256: digest } }] },
    })
    const outcome = run(text, pcrs(golden))
    expect(outcome.permitted).toBe(true)
    expect(outcome.issued.size).toBe(0)
    expect(run(text, pcrs('bb'.repeat(32))).permitted).toBe(false)
    expect(run(text, {}).permitted).toBe(false)
  })

  it('denials of what a guest may not be, with a permit() for the rest', () => {
    const text = `Version= 1.0;
      authorizationrules
      {
        [type=="x-ms-azurevm-debuggersdisabled", value==false] => deny();
        //[type=="secureboot", value==false] => deny();
        [type=="x-ms-azurevm-dbxvalidated", value==false] => deny();
        => permit();
      };
      Issuancerules
      {
      };`
    expect(run(text, { 'x-ms-azurevm-debuggersdisabled': true, 'x-ms-azurevm-dbxvalidated': true }).permitted).toBe(
      true,
    )
    expect(run(text, { 'x-ms-azurevm-debuggersdisabled': true, 'x-ms-azurevm-dbxvalidated': false }).permitted).toBe(
      false,
    )
    // Absence denies nothing, which is why `policy check` warns about such policies.
    expect(run(text, {}).permitted).toBe(true)
  })

  it('a request of a key with its properties', () => {
    const text = `version=1.2;authorizationrules{
      c:[type=="x-ms-tpm-request-key", issuer=="AttestationService"] => add(type="certify", value=JmesPath(c.value, "info.tpm_certify"));
      c:[type=="certify", issuer=="AttestationPolicy"] => add(type="attributes", value=JsonToClaimValue(JmesPath(c.value, "obj_attr")));
      c:[type=="attributes", issuer=="AttestationPolicy", value==50] => permit();
    };`
    const key = (attributes: unknown): Record<string, unknown> => ({
      'x-ms-tpm-request-key': { jwk: { kty: 'RSA' }, info: { tpm_certify: { obj_attr: attributes } } },
    })
    expect(run(text, key(50)).permitted).toBe(true)
    expect(run(text, key('50')).permitted).toBe(false)
    // Absent: JmesPath returns null, and null makes no claim.
    expect(run(text, { 'x-ms-tpm-request-key': {} }).permitted).toBe(false)
  })

  it('claims that authorization rules issue for one another, of which none reaches the token', () => {
    const text = `version=1.2;authorizationrules{
      c:[type=="x-ms-tpm-request-key", issuer=="AttestationService"] => add(type="kind", value=JsonToClaimValue(JmesPath(c.value, "jwk.kty")));
      c:[type=="kind", issuer=="AttestationPolicy", value=="RSA"] => issue(type="kindVerified", value=true);
      c:[type=="kindVerified", issuer=="AttestationPolicy", value==true] => permit();
    };issuancerules{};`
    const key = (kty: string): Record<string, unknown> => ({ 'x-ms-tpm-request-key': { jwk: { kty } } })
    // Issued, so the last rule matches; not in an issuance rule, so it does not reach the token.
    expect(run(text, key('RSA'))).toMatchObject({ permitted: true, issued: new Map() })
    expect(run(text, key('EC')).permitted).toBe(false)
    // The service's names stay reserved.
    expect(() =>
      parsePolicy('version=1.0;authorizationrules{=>issue(type="x-ms-compliance-status", value="x");=>permit();};'),
    ).toThrow(/reserved for the service/)
  })

  it('a value in a condition that a function finds in another claim', () => {
    const text = `version=1.2;authorizationrules{=>permit();};issuancerules{
      c:[type=="pcrs", issuer=="AttestationService"] && e:[type=="expected", value==JsonToClaimValue(JmesPath(c.value, "PCRs[?Index==\`0\`].Digests.SHA1 | @[0] == \`\\"KCk\\"\`"))] => issue(claim=e);
    };`
    const claims = (found: string): Record<string, unknown> => ({
      pcrs: { PCRs: [{ Index: 0, Digests: { SHA1: found } }] },
      expected: true,
    })
    // The query compares with a JSON literal whose quotes the policy escapes; its result, true or false, is compared.
    expect(issued(text, claims('KCk'))).toEqual({ expected: true })
    expect(issued(text, claims('other'))).toEqual({})
  })

  it('a bound that holds where there is a separator, and none where there is not', () => {
    const text = `version=1.2;authorizationrules{=>permit();};issuancerules{
      c:[type=="events", issuer=="AttestationService"] => add(type="end", value=JmesPath(c.value, "Events[?EventTypeString=='EV_SEPARATOR' && (PcrIndex==\`12\` || PcrIndex==\`13\`)] | @[0].EventSeq"));
      c:[type=="end", value!="null", issuer=="AttestationPolicy"] => add(type="before", value=AppendString(AppendString("Events[?EventSeq < \`", c.value), "\`"));
      [type=="end", value=="null", issuer=="AttestationPolicy"] => add(type="before", value="Events[?\`true\` ");
      c:[type=="before"] => add(type="query", value=AppendString(c.value, " && PcrIndex==\`12\` && ((ProcessedData.EVENT_TRUSTBOUNDARY.EVENT_APPLICATION_SVN | @) || (ProcessedData.X[].Y | @[0]))].EventSeq | @[-1]"));
      q:[type=="query"] && e:[type=="events", issuer=="AttestationService"] => issue(type="last", value=JsonToClaimValue(JmesPath(e.value, q.value)));
    };`
    const boot = windowsBoot({}) as { events: { Events: { EventTypeString: string }[] } }
    // Versions of applications are measured at 2 and 31; the separator is at 30.
    expect(issued(text, boot)).toEqual({ last: 2 })
    const without = boot.events.Events.filter(({ EventTypeString }) => EventTypeString !== 'EV_SEPARATOR')
    expect(issued(text, { events: { Events: without } })).toEqual({ last: 31 })
  })

  it('names of keyrings and kernels in what IMA measured, a set of several values each', () => {
    const text = `version=1.2; configurationrules { }; authorizationrules { [type == "aikValidated", value==true] => permit(); }; issuancerules {
      c:[type=="events", issuer=="AttestationService"] => add(type="ima", value=JmesPath(c.value, "Events[?EventTypeString == 'IMA_MEASUREMENT_EVENT']"));
      c:[type=="ima", issuer=="AttestationPolicy"] => add(type="found", value=JmesPath(c.value, "[?ProcessedData.Keyring == '.builtin_trusted_keys'].ProcessedData.CertificateSubject"));
      c:[type=="found", issuer=="AttestationPolicy"] => issue(type="keys", value=JsonToClaimValue(c.value));
      ![type=="found", issuer=="AttestationPolicy"] => issue(type="keys", value=0);
    };`
    const ima = (subject: string, Keyring = '.builtin_trusted_keys'): unknown => ({
      EventTypeString: 'IMA_MEASUREMENT_EVENT',
      ProcessedData: { Keyring, CertificateSubject: subject },
    })
    const events = { Events: [ima('CN=a'), ima('CN=b'), ima('CN=c', '.ima')] }
    expect(issued(text, { aikValidated: true, events })).toEqual({ keys: ['CN=a', 'CN=b'] })
    // No log: nothing is found, and the absence yields 0.
    expect(issued(text, { aikValidated: true })).toEqual({ keys: 0 })
    expect(run(text, { events }).permitted).toBe(false)
  })

  it('slips of published texts are told with their place: one equals sign, and a name without type=', () => {
    const policy = (rule: string): string => `version=1.2;authorizationrules{=>permit();};issuancerules{${rule}};`
    expect(() => parsePolicy(policy('c:[type=="e", issuer="AttestationPolicy"]=>add(type="s", value=true);'))).toThrow(
      /Line 1, column 79.*'=='/,
    )
    expect(() => parsePolicy(policy('=>issue("attested", value=true);'))).toThrow(/type, value, valueType or issuer/)
  })

  it('properties that steer the evaluation, of their types only', () => {
    const set = (name: string, value: string): unknown =>
      Object.fromEntries(
        run(
          `version=1.1;configurationrules{ => issueproperty ( type = "${name}", value = ${value} ); };authorizationrules{=>permit();};`,
          {},
        ).properties,
      )
    expect(set('required_pcr_mask', '0x0F')).toEqual({ required_pcr_mask: 15 })
    expect(set('require_valid_aik_cert', 'false')).toEqual({ require_valid_aik_cert: false })
    expect(set('x-ms-sgx-tcbidentifier', '"11"')).toEqual({ 'x-ms-sgx-tcbidentifier': '11' })
    for (const [name, value] of [
      ['required_pcr_mask', '0x1FFFFFF'],
      ['required_pcr_mask', '"15"'],
      ['require_valid_aik_cert', '0'],
      ['omit_x5c', '"true"'],
      ['report_validity_in_minutes', '0'],
      ['x-ms-sgx-tcbidentifier', '11'],
    ] as const)
      expect(() => set(name, value), name).toThrow(/expected/)
  })
})
