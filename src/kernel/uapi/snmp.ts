/**
 * uapi/linux/snmp.h, net/ipv4/proc.c: the MIB counters of Linux 6.18, with the names under which /proc/net/snmp, /proc/net/netstat and nstat show them,
 * in the order they show them. The constants index `net.mib.*`.
 */

export const IPSTATS_MIB_INPKTS = 0;
export const IPSTATS_MIB_INHDRERRORS = 1;
export const IPSTATS_MIB_INADDRERRORS = 2;
export const IPSTATS_MIB_OUTFORWDATAGRAMS = 3;
export const IPSTATS_MIB_INUNKNOWNPROTOS = 4;
export const IPSTATS_MIB_INDISCARDS = 5;
export const IPSTATS_MIB_INDELIVERS = 6;
export const IPSTATS_MIB_OUTREQUESTS = 7;
export const IPSTATS_MIB_OUTDISCARDS = 8;
export const IPSTATS_MIB_OUTNOROUTES = 9;
export const IPSTATS_MIB_REASMTIMEOUT = 10;
export const IPSTATS_MIB_REASMREQDS = 11;
export const IPSTATS_MIB_REASMOKS = 12;
export const IPSTATS_MIB_REASMFAILS = 13;
export const IPSTATS_MIB_FRAGOKS = 14;
export const IPSTATS_MIB_FRAGFAILS = 15;
export const IPSTATS_MIB_FRAGCREATES = 16;
export const IPSTATS_MIB_OUTPKTS = 17;
export const IPSTATS_MIB_INNOROUTES = 18;
export const IPSTATS_MIB_INTRUNCATEDPKTS = 19;
export const IPSTATS_MIB_INMCASTPKTS = 20;
export const IPSTATS_MIB_OUTMCASTPKTS = 21;
export const IPSTATS_MIB_INBCASTPKTS = 22;
export const IPSTATS_MIB_OUTBCASTPKTS = 23;
export const IPSTATS_MIB_INOCTETS = 24;
export const IPSTATS_MIB_OUTOCTETS = 25;
export const IPSTATS_MIB_INMCASTOCTETS = 26;
export const IPSTATS_MIB_OUTMCASTOCTETS = 27;
export const IPSTATS_MIB_INBCASTOCTETS = 28;
export const IPSTATS_MIB_OUTBCASTOCTETS = 29;
export const IPSTATS_MIB_INCSUMERRORS = 30;
export const IPSTATS_MIB_INNOECTPKTS = 31;
export const IPSTATS_MIB_INECT1PKTS = 32;
export const IPSTATS_MIB_INECT0PKTS = 33;
export const IPSTATS_MIB_INCEPKTS = 34;
export const IPSTATS_MIB_REASMOVERLAPS = 35;

export const snmp4_ipstats_list: readonly string[] = [
  'InReceives',
  'InHdrErrors',
  'InAddrErrors',
  'ForwDatagrams',
  'InUnknownProtos',
  'InDiscards',
  'InDelivers',
  'OutRequests',
  'OutDiscards',
  'OutNoRoutes',
  'ReasmTimeout',
  'ReasmReqds',
  'ReasmOKs',
  'ReasmFails',
  'FragOKs',
  'FragFails',
  'FragCreates',
  'OutTransmits',
  'InNoRoutes',
  'InTruncatedPkts',
  'InMcastPkts',
  'OutMcastPkts',
  'InBcastPkts',
  'OutBcastPkts',
  'InOctets',
  'OutOctets',
  'InMcastOctets',
  'OutMcastOctets',
  'InBcastOctets',
  'OutBcastOctets',
  'InCsumErrors',
  'InNoECTPkts',
  'InECT1Pkts',
  'InECT0Pkts',
  'InCEPkts',
  'ReasmOverlaps',
];

/** Of these the first so many are in /proc/net/snmp, the rest (IpExt) in /proc/net/netstat. */
export const IPSTATS_SNMP_COUNT = 18;

export const ICMP_MIB_INMSGS = 0;
export const ICMP_MIB_INERRORS = 1;
export const ICMP_MIB_CSUMERRORS = 2;
export const ICMP_MIB_OUTMSGS = 3;
export const ICMP_MIB_OUTERRORS = 4;
export const ICMP_MIB_RATELIMITGLOBAL = 5;
export const ICMP_MIB_RATELIMITHOST = 6;

export const snmp4_icmp_list: readonly string[] = [
  'InMsgs',
  'InErrors',
  'InCsumErrors',
  'OutMsgs',
  'OutErrors',
  'OutRateLimitGlobal',
  'OutRateLimitHost',
];

export const TCP_MIB_RTOALGORITHM = 0;
export const TCP_MIB_RTOMIN = 1;
export const TCP_MIB_RTOMAX = 2;
export const TCP_MIB_MAXCONN = 3;
export const TCP_MIB_ACTIVEOPENS = 4;
export const TCP_MIB_PASSIVEOPENS = 5;
export const TCP_MIB_ATTEMPTFAILS = 6;
export const TCP_MIB_ESTABRESETS = 7;
export const TCP_MIB_CURRESTAB = 8;
export const TCP_MIB_INSEGS = 9;
export const TCP_MIB_OUTSEGS = 10;
export const TCP_MIB_RETRANSSEGS = 11;
export const TCP_MIB_INERRS = 12;
export const TCP_MIB_OUTRSTS = 13;
export const TCP_MIB_CSUMERRORS = 14;

export const snmp4_tcp_list: readonly string[] = [
  'RtoAlgorithm',
  'RtoMin',
  'RtoMax',
  'MaxConn',
  'ActiveOpens',
  'PassiveOpens',
  'AttemptFails',
  'EstabResets',
  'CurrEstab',
  'InSegs',
  'OutSegs',
  'RetransSegs',
  'InErrs',
  'OutRsts',
  'InCsumErrors',
];

export const UDP_MIB_INDATAGRAMS = 0;
export const UDP_MIB_NOPORTS = 1;
export const UDP_MIB_INERRORS = 2;
export const UDP_MIB_OUTDATAGRAMS = 3;
export const UDP_MIB_RCVBUFERRORS = 4;
export const UDP_MIB_SNDBUFERRORS = 5;
export const UDP_MIB_CSUMERRORS = 6;
export const UDP_MIB_IGNOREDMULTI = 7;
export const UDP_MIB_MEMERRORS = 8;

export const snmp4_udp_list: readonly string[] = [
  'InDatagrams',
  'NoPorts',
  'InErrors',
  'OutDatagrams',
  'RcvbufErrors',
  'SndbufErrors',
  'InCsumErrors',
  'IgnoredMulti',
  'MemErrors',
];

export const LINUX_MIB_SYNCOOKIESSENT = 0;
export const LINUX_MIB_SYNCOOKIESRECV = 1;
export const LINUX_MIB_SYNCOOKIESFAILED = 2;
export const LINUX_MIB_EMBRYONICRSTS = 3;
export const LINUX_MIB_PRUNECALLED = 4;
export const LINUX_MIB_RCVPRUNED = 5;
export const LINUX_MIB_OFOPRUNED = 6;
export const LINUX_MIB_OUTOFWINDOWICMPS = 7;
export const LINUX_MIB_LOCKDROPPEDICMPS = 8;
export const LINUX_MIB_ARPFILTER = 9;
export const LINUX_MIB_TIMEWAITED = 10;
export const LINUX_MIB_TIMEWAITRECYCLED = 11;
export const LINUX_MIB_TIMEWAITKILLED = 12;
export const LINUX_MIB_PAWSACTIVEREJECTED = 13;
export const LINUX_MIB_PAWSESTABREJECTED = 14;
export const LINUX_MIB_BEYOND_WINDOW = 15;
export const LINUX_MIB_TSECRREJECTED = 16;
export const LINUX_MIB_PAWS_OLD_ACK = 17;
export const LINUX_MIB_PAWS_TW_REJECTED = 18;
export const LINUX_MIB_DELAYEDACKS = 19;
export const LINUX_MIB_DELAYEDACKLOCKED = 20;
export const LINUX_MIB_DELAYEDACKLOST = 21;
export const LINUX_MIB_LISTENOVERFLOWS = 22;
export const LINUX_MIB_LISTENDROPS = 23;
export const LINUX_MIB_TCPHPHITS = 24;
export const LINUX_MIB_TCPPUREACKS = 25;
export const LINUX_MIB_TCPHPACKS = 26;
export const LINUX_MIB_TCPRENORECOVERY = 27;
export const LINUX_MIB_TCPSACKRECOVERY = 28;
export const LINUX_MIB_TCPSACKRENEGING = 29;
export const LINUX_MIB_TCPSACKREORDER = 30;
export const LINUX_MIB_TCPRENOREORDER = 31;
export const LINUX_MIB_TCPTSREORDER = 32;
export const LINUX_MIB_TCPFULLUNDO = 33;
export const LINUX_MIB_TCPPARTIALUNDO = 34;
export const LINUX_MIB_TCPDSACKUNDO = 35;
export const LINUX_MIB_TCPLOSSUNDO = 36;
export const LINUX_MIB_TCPLOSTRETRANSMIT = 37;
export const LINUX_MIB_TCPRENOFAILURES = 38;
export const LINUX_MIB_TCPSACKFAILURES = 39;
export const LINUX_MIB_TCPLOSSFAILURES = 40;
export const LINUX_MIB_TCPFASTRETRANS = 41;
export const LINUX_MIB_TCPSLOWSTARTRETRANS = 42;
export const LINUX_MIB_TCPTIMEOUTS = 43;
export const LINUX_MIB_TCPLOSSPROBES = 44;
export const LINUX_MIB_TCPLOSSPROBERECOVERY = 45;
export const LINUX_MIB_TCPRENORECOVERYFAIL = 46;
export const LINUX_MIB_TCPSACKRECOVERYFAIL = 47;
export const LINUX_MIB_TCPRCVCOLLAPSED = 48;
export const LINUX_MIB_TCPBACKLOGCOALESCE = 49;
export const LINUX_MIB_TCPDSACKOLDSENT = 50;
export const LINUX_MIB_TCPDSACKOFOSENT = 51;
export const LINUX_MIB_TCPDSACKRECV = 52;
export const LINUX_MIB_TCPDSACKOFORECV = 53;
export const LINUX_MIB_TCPABORTONDATA = 54;
export const LINUX_MIB_TCPABORTONCLOSE = 55;
export const LINUX_MIB_TCPABORTONMEMORY = 56;
export const LINUX_MIB_TCPABORTONTIMEOUT = 57;
export const LINUX_MIB_TCPABORTONLINGER = 58;
export const LINUX_MIB_TCPABORTFAILED = 59;
export const LINUX_MIB_TCPMEMORYPRESSURES = 60;
export const LINUX_MIB_TCPMEMORYPRESSURESCHRONO = 61;
export const LINUX_MIB_TCPSACKDISCARD = 62;
export const LINUX_MIB_TCPDSACKIGNOREDOLD = 63;
export const LINUX_MIB_TCPDSACKIGNOREDNOUNDO = 64;
export const LINUX_MIB_TCPSPURIOUSRTOS = 65;
export const LINUX_MIB_TCPMD5NOTFOUND = 66;
export const LINUX_MIB_TCPMD5UNEXPECTED = 67;
export const LINUX_MIB_TCPMD5FAILURE = 68;
export const LINUX_MIB_SACKSHIFTED = 69;
export const LINUX_MIB_SACKMERGED = 70;
export const LINUX_MIB_SACKSHIFTFALLBACK = 71;
export const LINUX_MIB_TCPBACKLOGDROP = 72;
export const LINUX_MIB_PFMEMALLOCDROP = 73;
export const LINUX_MIB_TCPMINTTLDROP = 74;
export const LINUX_MIB_TCPDEFERACCEPTDROP = 75;
export const LINUX_MIB_IPRPFILTER = 76;
export const LINUX_MIB_TCPTIMEWAITOVERFLOW = 77;
export const LINUX_MIB_TCPREQQFULLDOCOOKIES = 78;
export const LINUX_MIB_TCPREQQFULLDROP = 79;
export const LINUX_MIB_TCPRETRANSFAIL = 80;
export const LINUX_MIB_TCPRCVCOALESCE = 81;
export const LINUX_MIB_TCPOFOQUEUE = 82;
export const LINUX_MIB_TCPOFODROP = 83;
export const LINUX_MIB_TCPOFOMERGE = 84;
export const LINUX_MIB_TCPCHALLENGEACK = 85;
export const LINUX_MIB_TCPSYNCHALLENGE = 86;
export const LINUX_MIB_TCPFASTOPENACTIVE = 87;
export const LINUX_MIB_TCPFASTOPENACTIVEFAIL = 88;
export const LINUX_MIB_TCPFASTOPENPASSIVE = 89;
export const LINUX_MIB_TCPFASTOPENPASSIVEFAIL = 90;
export const LINUX_MIB_TCPFASTOPENLISTENOVERFLOW = 91;
export const LINUX_MIB_TCPFASTOPENCOOKIEREQD = 92;
export const LINUX_MIB_TCPFASTOPENBLACKHOLE = 93;
export const LINUX_MIB_TCPSPURIOUSRTXHOSTQUEUES = 94;
export const LINUX_MIB_BUSYPOLLRXPACKETS = 95;
export const LINUX_MIB_TCPAUTOCORKING = 96;
export const LINUX_MIB_TCPFROMZEROWINDOWADV = 97;
export const LINUX_MIB_TCPTOZEROWINDOWADV = 98;
export const LINUX_MIB_TCPWANTZEROWINDOWADV = 99;
export const LINUX_MIB_TCPSYNRETRANS = 100;
export const LINUX_MIB_TCPORIGDATASENT = 101;
export const LINUX_MIB_TCPHYSTARTTRAINDETECT = 102;
export const LINUX_MIB_TCPHYSTARTTRAINCWND = 103;
export const LINUX_MIB_TCPHYSTARTDELAYDETECT = 104;
export const LINUX_MIB_TCPHYSTARTDELAYCWND = 105;
export const LINUX_MIB_TCPACKSKIPPEDSYNRECV = 106;
export const LINUX_MIB_TCPACKSKIPPEDPAWS = 107;
export const LINUX_MIB_TCPACKSKIPPEDSEQ = 108;
export const LINUX_MIB_TCPACKSKIPPEDFINWAIT2 = 109;
export const LINUX_MIB_TCPACKSKIPPEDTIMEWAIT = 110;
export const LINUX_MIB_TCPACKSKIPPEDCHALLENGE = 111;
export const LINUX_MIB_TCPWINPROBE = 112;
export const LINUX_MIB_TCPKEEPALIVE = 113;
export const LINUX_MIB_TCPMTUPFAIL = 114;
export const LINUX_MIB_TCPMTUPSUCCESS = 115;
export const LINUX_MIB_TCPDELIVERED = 116;
export const LINUX_MIB_TCPDELIVEREDCE = 117;
export const LINUX_MIB_TCPACKCOMPRESSED = 118;
export const LINUX_MIB_TCPZEROWINDOWDROP = 119;
export const LINUX_MIB_TCPRCVQDROP = 120;
export const LINUX_MIB_TCPWQUEUETOOBIG = 121;
export const LINUX_MIB_TCPFASTOPENPASSIVEALTKEY = 122;
export const LINUX_MIB_TCPTIMEOUTREHASH = 123;
export const LINUX_MIB_TCPDUPLICATEDATAREHASH = 124;
export const LINUX_MIB_TCPDSACKRECVSEGS = 125;
export const LINUX_MIB_TCPDSACKIGNOREDDUBIOUS = 126;
export const LINUX_MIB_TCPMIGRATEREQSUCCESS = 127;
export const LINUX_MIB_TCPMIGRATEREQFAILURE = 128;
export const LINUX_MIB_TCPPLBREHASH = 129;
export const LINUX_MIB_TCPAOREQUIRED = 130;
export const LINUX_MIB_TCPAOBAD = 131;
export const LINUX_MIB_TCPAOKEYNOTFOUND = 132;
export const LINUX_MIB_TCPAOGOOD = 133;
export const LINUX_MIB_TCPAODROPPEDICMPS = 134;

export const snmp4_net_list: readonly string[] = [
  'SyncookiesSent',
  'SyncookiesRecv',
  'SyncookiesFailed',
  'EmbryonicRsts',
  'PruneCalled',
  'RcvPruned',
  'OfoPruned',
  'OutOfWindowIcmps',
  'LockDroppedIcmps',
  'ArpFilter',
  'TW',
  'TWRecycled',
  'TWKilled',
  'PAWSActive',
  'PAWSEstab',
  'BeyondWindow',
  'TSEcrRejected',
  'PAWSOldAck',
  'PAWSTimewait',
  'DelayedACKs',
  'DelayedACKLocked',
  'DelayedACKLost',
  'ListenOverflows',
  'ListenDrops',
  'TCPHPHits',
  'TCPPureAcks',
  'TCPHPAcks',
  'TCPRenoRecovery',
  'TCPSackRecovery',
  'TCPSACKReneging',
  'TCPSACKReorder',
  'TCPRenoReorder',
  'TCPTSReorder',
  'TCPFullUndo',
  'TCPPartialUndo',
  'TCPDSACKUndo',
  'TCPLossUndo',
  'TCPLostRetransmit',
  'TCPRenoFailures',
  'TCPSackFailures',
  'TCPLossFailures',
  'TCPFastRetrans',
  'TCPSlowStartRetrans',
  'TCPTimeouts',
  'TCPLossProbes',
  'TCPLossProbeRecovery',
  'TCPRenoRecoveryFail',
  'TCPSackRecoveryFail',
  'TCPRcvCollapsed',
  'TCPBacklogCoalesce',
  'TCPDSACKOldSent',
  'TCPDSACKOfoSent',
  'TCPDSACKRecv',
  'TCPDSACKOfoRecv',
  'TCPAbortOnData',
  'TCPAbortOnClose',
  'TCPAbortOnMemory',
  'TCPAbortOnTimeout',
  'TCPAbortOnLinger',
  'TCPAbortFailed',
  'TCPMemoryPressures',
  'TCPMemoryPressuresChrono',
  'TCPSACKDiscard',
  'TCPDSACKIgnoredOld',
  'TCPDSACKIgnoredNoUndo',
  'TCPSpuriousRTOs',
  'TCPMD5NotFound',
  'TCPMD5Unexpected',
  'TCPMD5Failure',
  'TCPSackShifted',
  'TCPSackMerged',
  'TCPSackShiftFallback',
  'TCPBacklogDrop',
  'PFMemallocDrop',
  'TCPMinTTLDrop',
  'TCPDeferAcceptDrop',
  'IPReversePathFilter',
  'TCPTimeWaitOverflow',
  'TCPReqQFullDoCookies',
  'TCPReqQFullDrop',
  'TCPRetransFail',
  'TCPRcvCoalesce',
  'TCPOFOQueue',
  'TCPOFODrop',
  'TCPOFOMerge',
  'TCPChallengeACK',
  'TCPSYNChallenge',
  'TCPFastOpenActive',
  'TCPFastOpenActiveFail',
  'TCPFastOpenPassive',
  'TCPFastOpenPassiveFail',
  'TCPFastOpenListenOverflow',
  'TCPFastOpenCookieReqd',
  'TCPFastOpenBlackhole',
  'TCPSpuriousRtxHostQueues',
  'BusyPollRxPackets',
  'TCPAutoCorking',
  'TCPFromZeroWindowAdv',
  'TCPToZeroWindowAdv',
  'TCPWantZeroWindowAdv',
  'TCPSynRetrans',
  'TCPOrigDataSent',
  'TCPHystartTrainDetect',
  'TCPHystartTrainCwnd',
  'TCPHystartDelayDetect',
  'TCPHystartDelayCwnd',
  'TCPACKSkippedSynRecv',
  'TCPACKSkippedPAWS',
  'TCPACKSkippedSeq',
  'TCPACKSkippedFinWait2',
  'TCPACKSkippedTimeWait',
  'TCPACKSkippedChallenge',
  'TCPWinProbe',
  'TCPKeepAlive',
  'TCPMTUPFail',
  'TCPMTUPSuccess',
  'TCPDelivered',
  'TCPDeliveredCE',
  'TCPAckCompressed',
  'TCPZeroWindowDrop',
  'TCPRcvQDrop',
  'TCPWqueueTooBig',
  'TCPFastOpenPassiveAltKey',
  'TcpTimeoutRehash',
  'TcpDuplicateDataRehash',
  'TCPDSACKRecvSegs',
  'TCPDSACKIgnoredDubious',
  'TCPMigrateReqSuccess',
  'TCPMigrateReqFailure',
  'TCPPLBRehash',
  'TCPAORequired',
  'TCPAOBad',
  'TCPAOKeyNotFound',
  'TCPAOGood',
  'TCPAODroppedIcmps',
];
