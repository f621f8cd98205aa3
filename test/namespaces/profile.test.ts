import { describe, expect, it } from 'vitest'
import { checkProfile, type HostProfile, rangeOf } from '../../src/namespaces/profile.js'
import { describeStep, hasOwnFiles, stepsOf } from '../../src/namespaces/set-up.js'

describe('a profile', () => {
  it.each<[unknown, string, RegExp]>([
    [undefined, 'ERR_INVALID_ARG_TYPE', /expected an object, got undefined/],
    [null, 'ERR_INVALID_ARG_TYPE', /an options object/],
    [[], 'ERR_INVALID_ARG_TYPE', /an options object/],
    ['ipv4', 'ERR_INVALID_ARG_TYPE', /an options object/],
    [
      { ports: 16 },
      'ERR_PORTSIDE_UNKNOWN_OPTION',
      /"ports" of the profile of a host: (did you mean|expected one of ephemeralPorts, ipv4, )/,
    ],
    [{ toString: 1 }, 'ERR_PORTSIDE_UNKNOWN_OPTION', /"toString" of the profile/],
    [{ ipv4: false, ipv6: false }, 'ERR_INVALID_ARG_VALUE', /a host with IPv4, IPv6 or both, got 'neither'/],
    [{ ipv4: 'no' }, 'ERR_INVALID_ARG_TYPE', /^Invalid `ipv4`: expected true or false, got 'no'\.$/],
    [{ ipv6: 0 }, 'ERR_INVALID_ARG_TYPE', /^Invalid `ipv6`: expected true or false, got 0\.$/],
    [{ bindV6Only: 1 }, 'ERR_INVALID_ARG_TYPE', /^Invalid `bindV6Only`: expected true or false, got 1\.$/],
    [{ bindV6Only: true, ipv6: false }, 'ERR_INVALID_ARG_VALUE', /on a host without IPv6/],
    [{ ephemeralPorts: 0 }, 'ERR_OUT_OF_RANGE', /an integer from 1 to 64512, got 0/],
    [{ ephemeralPorts: 64_513 }, 'ERR_OUT_OF_RANGE', /an integer from 1 to 64512/],
    [{ ephemeralPorts: 1.5 }, 'ERR_OUT_OF_RANGE', /an integer/],
    [{ ephemeralPorts: '16' }, 'ERR_INVALID_ARG_TYPE', /an integer from 1 to 64512, got '16'/],
    [{ ephemeralPorts: [] }, 'ERR_INVALID_ARG_VALUE', /\[first, last\].*got '\[\]'/],
    [{ ephemeralPorts: [2000] }, 'ERR_INVALID_ARG_VALUE', /\[first, last\]/],
    [{ ephemeralPorts: [2000, 2001, 2002] }, 'ERR_INVALID_ARG_VALUE', /\[first, last\]/],
    [{ ephemeralPorts: [2001, 2000] }, 'ERR_OUT_OF_RANGE', /the first not above the last, got '\[2001, 2000\]'/],
    [{ ephemeralPorts: [1023, 2000] }, 'ERR_OUT_OF_RANGE', /from 1024 to 65535/],
    [{ ephemeralPorts: [2000, 65_536] }, 'ERR_OUT_OF_RANGE', /from 1024 to 65535/],
    [{ ephemeralPorts: [0, 10], firstUnprivilegedPort: 0 }, 'ERR_OUT_OF_RANGE', /from 1 to 65535/],
    [{ ephemeralPorts: [4999, 6000], firstUnprivilegedPort: 5000 }, 'ERR_OUT_OF_RANGE', /from 5000 to 65535/],
    [{ ephemeralPorts: 16, firstUnprivilegedPort: 65_530 }, 'ERR_OUT_OF_RANGE', /from 1 to 6, got 16/],
    [{ firstUnprivilegedPort: -1 }, 'ERR_OUT_OF_RANGE', /from 0 to 65535/],
    [{ firstUnprivilegedPort: 65_536 }, 'ERR_OUT_OF_RANGE', /from 0 to 65535/],
    [{ mtu: 1279 }, 'ERR_OUT_OF_RANGE', /from 1280 to 65536, got 1279/],
    [{ mtu: 67, ipv6: false }, 'ERR_OUT_OF_RANGE', /from 68 to 65536, got 67/],
    [{ mtu: 65_537 }, 'ERR_OUT_OF_RANGE', /to 65536/],
    [{ mtu: Number.NaN }, 'ERR_OUT_OF_RANGE', /an integer/],
    [{ localhost: '::1' }, 'ERR_INVALID_ARG_TYPE', /an array of addresses/],
    [{ localhost: [] }, 'ERR_INVALID_ARG_VALUE', /one address or two, got 'none'/],
    [{ localhost: ['localhost'] }, 'ERR_INVALID_ARG_VALUE', /got 'localhost'/],
    [{ localhost: ['::1\n1.2.3.4 example.org'] }, 'ERR_INVALID_ARG_VALUE', /got/],
    [{ localhost: ['fe80::1%lo'] }, 'ERR_INVALID_ARG_VALUE', /got 'fe80::1%lo'/],
    [{ localhost: ['127.0.0.2', '127.0.0.1'] }, 'ERR_INVALID_ARG_VALUE', /one address of each family at most/],
    [{ routes: 'unreachable' }, 'ERR_INVALID_ARG_TYPE', /an object of destinations/],
    [{ routes: { here: 'unreachable' } }, 'ERR_INVALID_ARG_VALUE', /addresses, prefixes or 'default', got 'here'/],
    [{ routes: { '192.0.2.0/33': 'unreachable' } }, 'ERR_INVALID_ARG_VALUE', /prefixes/],
    [{ routes: { '192.0.2.0/24/1': 'unreachable' } }, 'ERR_INVALID_ARG_VALUE', /prefixes/],
    [{ routes: { '192.0.2.0/24; reboot': 'unreachable' } }, 'ERR_INVALID_ARG_VALUE', /prefixes/],
    [{ routes: { '2001:db8::/129': 'unreachable' } }, 'ERR_INVALID_ARG_VALUE', /prefixes/],
    [{ routes: { '192.0.2.1': 'nowhere' } }, 'ERR_INVALID_ARG_VALUE', /'unreachable', 'prohibit' or 'blackhole'/],
    [{ routes: { '::1': 'prohibit' }, ipv6: false }, 'ERR_INVALID_ARG_VALUE', /of a family that the host has/],
    [{ routes: { '192.0.2.1': 'prohibit' }, ipv4: false }, 'ERR_INVALID_ARG_VALUE', /of a family that the host has/],
    [{ openFiles: 0 }, 'ERR_OUT_OF_RANGE', /from 1 to 1048576/],
  ])('%j throws %s', (profile, code, message) => {
    let thrown: unknown
    try {
      checkProfile(profile as HostProfile)
    } catch (error) {
      thrown = error
    }
    expect(thrown).toMatchObject({ code, message: expect.stringMatching(message) })
  })

  it.each<HostProfile>([
    {},
    { ephemeralPorts: 64_512 },
    { ephemeralPorts: [1024, 1024] },
    { ephemeralPorts: [1, 10], firstUnprivilegedPort: 0 },
    { mtu: 68, ipv6: false },
    { mtu: 1280 },
    { localhost: ['::1'], ipv6: false },
    { routes: { default: 'unreachable', '192.0.2.7': 'prohibit', '2001:db8::/32': 'blackhole' } },
    { ipv4: undefined, ephemeralPorts: undefined } as unknown as HostProfile,
  ])('%j is valid', (profile) => {
    expect(() => checkProfile(profile)).not.toThrow()
  })
})

describe('the ephemeral range', () => {
  it.each<[HostProfile, readonly [number, number] | undefined]>([
    [{}, undefined],
    [{ ephemeralPorts: 16 }, [32_768, 32_783]],
    [{ ephemeralPorts: 64_512 }, [1024, 65_535]],
    [{ ephemeralPorts: [5000, 5009] }, [5000, 5009]],
    [{ ephemeralPorts: 16, firstUnprivilegedPort: 40_000 }, [40_000, 40_015]],
    [{ firstUnprivilegedPort: 40_000 }, [40_000, 65_535]],
    [{ firstUnprivilegedPort: 80 }, undefined],
  ])('of %j is %j', (profile, range) => {
    expect(rangeOf(profile)).toEqual(range)
  })
})

describe('the steps', () => {
  const written = (profile: HostProfile) =>
    stepsOf(profile).flatMap((step) => (step.kind === 'write' ? [describeStep(step)] : []))

  it('never let privileged ports overlap with the range', () => {
    expect(written({ firstUnprivilegedPort: 40_000 })).toEqual([
      'set net.ipv4.ip_local_port_range to 40000 65535',
      'set net.ipv4.ip_unprivileged_port_start to 40000',
    ])
    expect(written({ firstUnprivilegedPort: 50, ephemeralPorts: [100, 200] })).toEqual([
      'set net.ipv4.ip_unprivileged_port_start to 50',
      'set net.ipv4.ip_local_port_range to 100 200',
    ])
  })

  it('do not replace files if no name changes', () => {
    expect(hasOwnFiles(stepsOf({ ephemeralPorts: 16, mtu: 1500 }))).toBe(false)
    expect(hasOwnFiles(stepsOf({ ipv4: false }))).toBe(true)
  })

  it('name the ip command that failed', () => {
    const [step] = stepsOf({ routes: { '192.0.2.0/24': 'prohibit' } })
    expect(describeStep(step!, 2)).toBe("run 'ip route add prohibit 192.0.2.0/24'")
  })
})
