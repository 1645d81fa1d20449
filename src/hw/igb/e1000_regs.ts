/**
 * Offsets of the 82576's registers in BAR 0, under the names that the datasheet (section 8) and the driver share. The device (registers.ts)
 * and the driver both take them from here; what a register does is told in registers.ts.
 *
 * The first four queues can be reached at two places (datasheet 8.1.1.1); the lower ones are used here, as the driver does.
 */

// General (8.2) and management of the port
export const E1000_CTRL = 0x00000;
export const E1000_STATUS = 0x00008;
export const E1000_EECD = 0x00010;
export const E1000_EERD = 0x00014;
export const E1000_CTRL_EXT = 0x00018;
export const E1000_MDIC = 0x00020;
export const E1000_SCTL = 0x00024;
export const E1000_FCAL = 0x00028;
export const E1000_FCAH = 0x0002c;
export const E1000_FCT = 0x00030;
export const E1000_CONNSW = 0x00034;
export const E1000_VET = 0x00038;
export const E1000_FCTTV = 0x00170;
export const E1000_LEDCTL = 0x00e00;
export const E1000_MDICNFG = 0x00e04;
export const E1000_PBA = 0x01000;
export const E1000_EEMNGCTL = 0x01010;
export const E1000_FRTIMER = 0x01048;
export const E1000_TCPTIMER = 0x0104c;
export const E1000_I2CCMD = 0x01028;
export const E1000_I2CPARAMS = 0x0102c;

// Interrupts (8.8)
export const E1000_ICR = 0x000c0;
export const E1000_ITR = 0x000c4;
export const E1000_ICS = 0x000c8;
export const E1000_IMS = 0x000d0;
export const E1000_IMC = 0x000d8;
export const E1000_IAM = 0x000e0;
/** The same five at the place where the 82576 has them (8.8); the ones above are aliases for drivers of older parts, and igb uses those. */
export const E1000_ICR_82576 = 0x01500;
export const E1000_ICS_82576 = 0x01504;
export const E1000_IMS_82576 = 0x01508;
export const E1000_IMC_82576 = 0x0150c;
export const E1000_IAM_82576 = 0x01510;
export const E1000_GPIE = 0x01514;
export const E1000_EICS = 0x01520;
export const E1000_EIMS = 0x01524;
export const E1000_EIMC = 0x01528;
export const E1000_EIAC = 0x0152c;
export const E1000_EIAM = 0x01530;
export const E1000_EICR = 0x01580;
export const E1000_EITR = (n: number): number => 0x01680 + 4 * n;
export const E1000_IVAR0 = 0x01700;
export const E1000_IVAR_MISC = 0x01740;
export const E1000_MSIXBM = (n: number): number => 0x01600 + 4 * n;
export const E1000_IMIR = (n: number): number => 0x05a80 + 4 * n;
export const E1000_IMIREXT = (n: number): number => 0x05aa0 + 4 * n;
export const E1000_IMIRVP = 0x05ac0;
export const E1000_PBACL = 0x05b68;

// Receive (8.10)
export const E1000_RCTL = 0x00100;
export const E1000_FCRTL = 0x02160;
export const E1000_FCRTH = 0x02168;
export const E1000_FCRTV = 0x02460;
export const E1000_RXPBS = 0x02404;
export const E1000_QDE = 0x02408;
export const E1000_DMACR = 0x02508;
export const E1000_RXCSUM = 0x05000;
export const E1000_RLPML = 0x05004;
export const E1000_RFCTL = 0x05008;
export const E1000_MTA = 0x05200;
export const E1000_RA = 0x05400;
export const E1000_RA2 = 0x054e0;
export const E1000_RAL = (n: number): number => (n <= 15 ? E1000_RA + 8 * n : E1000_RA2 + 8 * (n - 16));
export const E1000_RAH = (n: number): number => E1000_RAL(n) + 4;
export const E1000_PSRTYPE = (n: number): number => 0x05480 + 4 * n;
export const E1000_VLAPQF = 0x055b0;
export const E1000_VFTA = 0x05600;
export const E1000_MRQC = 0x05818;
export const E1000_RETA = (n: number): number => 0x05c00 + 4 * n;
export const E1000_RSSRK = (n: number): number => 0x05c80 + 4 * n;
export const E1000_UTA = 0x0a000;

const rxQueue = (n: number): number => (n < 4 ? 0x02800 + 0x100 * n : 0x0c000 + 0x40 * n);
export const E1000_RDBAL = (n: number): number => rxQueue(n);
export const E1000_RDBAH = (n: number): number => rxQueue(n) + 0x04;
export const E1000_RDLEN = (n: number): number => rxQueue(n) + 0x08;
export const E1000_SRRCTL = (n: number): number => rxQueue(n) + 0x0c;
export const E1000_RDH = (n: number): number => rxQueue(n) + 0x10;
export const E1000_RXCTL = (n: number): number => rxQueue(n) + 0x14;
export const E1000_DCA_RXCTRL = E1000_RXCTL;
export const E1000_RDT = (n: number): number => rxQueue(n) + 0x18;
export const E1000_RXDCTL = (n: number): number => rxQueue(n) + 0x28;
export const E1000_RQDPC = (n: number): number => 0x0c030 + 0x40 * n;

// Queue filters (8.10.13 …)
export const E1000_SAQF = (n: number): number => 0x05980 + 4 * n;
export const E1000_DAQF = (n: number): number => 0x059a0 + 4 * n;
export const E1000_SPQF = (n: number): number => 0x059c0 + 4 * n;
export const E1000_FTQF = (n: number): number => 0x059e0 + 4 * n;
export const E1000_SYNQF = (n: number): number => 0x055fc + 4 * n;
export const E1000_ETQF = (n: number): number => 0x05cb0 + 4 * n;

// Transmit (8.12)
export const E1000_TCTL = 0x00400;
export const E1000_TCTL_EXT = 0x00404;
export const E1000_TIPG = 0x00410;
export const E1000_AIT = 0x00458;
export const E1000_TXPBS = 0x03404;
export const E1000_TDFH = 0x03410;
export const E1000_TDFT = 0x03418;
export const E1000_TDFHS = 0x03420;
export const E1000_TDFPC = 0x03430;
export const E1000_DTXCTL = 0x03590;
/** Which TCP flags the first, the middle and the last segment of a TSO keep (8.12.14, 8.12.15). */
export const E1000_DTXTCPFLGL = 0x0359c;
export const E1000_DTXTCPFLGH = 0x035a0;
export const E1000_DTXMXSZRQ = 0x03540;

const txQueue = (n: number): number => (n < 4 ? 0x03800 + 0x100 * n : 0x0e000 + 0x40 * n);
export const E1000_TDBAL = (n: number): number => txQueue(n);
export const E1000_TDBAH = (n: number): number => txQueue(n) + 0x04;
export const E1000_TDLEN = (n: number): number => txQueue(n) + 0x08;
export const E1000_TDH = (n: number): number => txQueue(n) + 0x10;
export const E1000_TXCTL = (n: number): number => txQueue(n) + 0x14;
export const E1000_DCA_TXCTRL = E1000_TXCTL;
export const E1000_TDT = (n: number): number => txQueue(n) + 0x18;
export const E1000_TXDCTL = (n: number): number => txQueue(n) + 0x28;
export const E1000_TDWBAL = (n: number): number => txQueue(n) + 0x38;
export const E1000_TDWBAH = (n: number): number => txQueue(n) + 0x3c;

// Statistics (8.18): all are cleared by reading
export const E1000_CRCERRS = 0x04000;
export const E1000_ALGNERRC = 0x04004;
export const E1000_SYMERRS = 0x04008;
export const E1000_RXERRC = 0x0400c;
export const E1000_MPC = 0x04010;
export const E1000_SCC = 0x04014;
export const E1000_ECOL = 0x04018;
export const E1000_MCC = 0x0401c;
export const E1000_LATECOL = 0x04020;
export const E1000_COLC = 0x04028;
export const E1000_CBTMPC = 0x0402c;
export const E1000_DC = 0x04030;
export const E1000_TNCRS = 0x04034;
export const E1000_SEC = 0x04038;
export const E1000_CEXTERR = 0x0403c;
/** 82576: host transmit packets discarded by the MAC; the place where older parts had CEXTERR. */
export const E1000_HTDPMC = 0x0403c;
export const E1000_RLEC = 0x04040;
export const E1000_XONRXC = 0x04048;
export const E1000_XONTXC = 0x0404c;
export const E1000_XOFFRXC = 0x04050;
export const E1000_XOFFTXC = 0x04054;
export const E1000_FCRUC = 0x04058;
export const E1000_PRC64 = 0x0405c;
export const E1000_PRC127 = 0x04060;
export const E1000_PRC255 = 0x04064;
export const E1000_PRC511 = 0x04068;
export const E1000_PRC1023 = 0x0406c;
export const E1000_PRC1522 = 0x04070;
export const E1000_GPRC = 0x04074;
export const E1000_BPRC = 0x04078;
export const E1000_MPRC = 0x0407c;
export const E1000_GPTC = 0x04080;
export const E1000_GORCL = 0x04088;
export const E1000_GORCH = 0x0408c;
export const E1000_GOTCL = 0x04090;
export const E1000_GOTCH = 0x04094;
export const E1000_RNBC = 0x040a0;
export const E1000_RUC = 0x040a4;
export const E1000_RFC = 0x040a8;
export const E1000_ROC = 0x040ac;
export const E1000_RJC = 0x040b0;
export const E1000_MGTPRC = 0x040b4;
export const E1000_MGTPDC = 0x040b8;
export const E1000_MGTPTC = 0x040bc;
export const E1000_TORL = 0x040c0;
export const E1000_TORH = 0x040c4;
export const E1000_TOTL = 0x040c8;
export const E1000_TOTH = 0x040cc;
export const E1000_TPR = 0x040d0;
export const E1000_TPT = 0x040d4;
export const E1000_PTC64 = 0x040d8;
export const E1000_PTC127 = 0x040dc;
export const E1000_PTC255 = 0x040e0;
export const E1000_PTC511 = 0x040e4;
export const E1000_PTC1023 = 0x040e8;
export const E1000_PTC1522 = 0x040ec;
export const E1000_MPTC = 0x040f0;
export const E1000_BPTC = 0x040f4;
export const E1000_TSCTC = 0x040f8;
export const E1000_TSCTFC = 0x040fc;
/** 82576: receive packets that the circuit breaker dropped; the place of TSCTFC. */
export const E1000_CBRMPC = 0x040fc;
export const E1000_IAC = 0x04100;
export const E1000_ICRXPTC = 0x04104;
/** 82576: packets passed to the host; the place of ICRXPTC. */
export const E1000_RPTHC = 0x04104;
export const E1000_ICRXATC = 0x04108;
export const E1000_ICTXPTC = 0x0410c;
export const E1000_ICTXATC = 0x04110;
export const E1000_ICTXQEC = 0x04118;
/** 82576: good packets transmitted by the host; the place of ICTXQEC. */
export const E1000_HGPTC = 0x04118;
export const E1000_ICTXQMTC = 0x0411c;
export const E1000_ICRXDMTC = 0x04120;
export const E1000_ICRXOC = 0x04124;
/** 82576: host transmit packets dropped by the circuit breaker; the place of ICRXOC. */
export const E1000_HTCBDPC = 0x04124;
export const E1000_HGORCL = 0x04128;
export const E1000_HGORCH = 0x0412c;
export const E1000_HGOTCL = 0x04130;
export const E1000_HGOTCH = 0x04134;
export const E1000_LENERRS = 0x04138;
export const E1000_B2OGPRC = 0x04158;
export const E1000_O2BSPC = 0x0415c;
export const E1000_SCVPC = 0x04228;
export const E1000_B2OSPC = 0x08fe0;
export const E1000_O2BGPTC = 0x08fe4;

// Physical coding sublayer (8.19)
export const E1000_PCS_CFG0 = 0x04200;
export const E1000_PCS_LCTL = 0x04208;
export const E1000_PCS_LSTAT = 0x0420c;
export const E1000_PCS_ANADV = 0x04218;
export const E1000_PCS_LPAB = 0x0421c;
export const E1000_PCS_NPTX = 0x04220;
export const E1000_PCS_LPABNP = 0x04224;

// Wake-up (8.20), management (8.21), PCIe (8.6), semaphores
export const E1000_WUC = 0x05800;
export const E1000_WUFC = 0x05808;
export const E1000_WUS = 0x05810;
export const E1000_MANC = 0x05820;
export const E1000_IPAV = 0x05838;
export const E1000_WUPL = 0x05900;
export const E1000_GCR = 0x05b00;
export const E1000_FACTPS = 0x05b30;
export const E1000_GIOCTL = 0x05b44;
export const E1000_CCMCTL = 0x05b48;
export const E1000_SCCTL = 0x05b4c;
export const E1000_SWSM = 0x05b50;
export const E1000_FWSM = 0x05b54;
export const E1000_SW_FW_SYNC = 0x05b5c;
export const E1000_DCA_CTRL = 0x05b74;
export const E1000_PCIEMISC = 0x05bb8;
export const E1000_IOVTCL = 0x05bbc;

// Virtualization (8.14)
export const E1000_MBVFICR = 0x00c80;
export const E1000_MBVFIMR = 0x00c84;
export const E1000_VFLRE = 0x00c88;
export const E1000_VFRE = 0x00c8c;
export const E1000_VFTE = 0x00c90;
export const E1000_DTXSWC = 0x03500;
export const E1000_WVBR = 0x03554;
export const E1000_VT_CTL = 0x0581c;
export const E1000_TXSWC = 0x05acc;
export const E1000_VMOLR = (n: number): number => 0x05ad0 + 4 * n;
export const E1000_RPLOLR = 0x05af0;
export const E1000_VLVF = (n: number): number => 0x05d00 + 4 * n;
export const E1000_VMVIR = (n: number): number => 0x03700 + 4 * n;
export const E1000_P2VMAILBOX = (n: number): number => 0x00c00 + 4 * n;
export const E1000_VMBMEM = (n: number): number => 0x00800 + 64 * n;

// Time synchronization (8.16)
export const E1000_TSYNCRXCTL = 0x0b620;
export const E1000_TSYNCTXCTL = 0x0b614;
export const E1000_TSYNCRXCFG = 0x05f50;
export const E1000_RXSTMPL = 0x0b624;
export const E1000_RXSTMPH = 0x0b628;
export const E1000_RXSATRL = 0x0b62c;
export const E1000_RXSATRH = 0x0b630;
export const E1000_TXSTMPL = 0x0b618;
export const E1000_TXSTMPH = 0x0b61c;
export const E1000_SYSTIML = 0x0b600;
export const E1000_SYSTIMH = 0x0b604;
export const E1000_TIMINCA = 0x0b608;
export const E1000_TIMADJL = 0x0b60c;
export const E1000_TIMADJH = 0x0b610;
export const E1000_TSAUXC = 0x0b640;
export const E1000_SYSTIMR = 0x0b6f8;
export const E1000_TSICR = 0x0b66c;
export const E1000_TSIM = 0x0b674;

// EEPROM and flash, watchdog, diagnostics (8.4, 8.2, 8.22)
export const E1000_FLA = 0x0001c;
export const E1000_EEMNGDATA = 0x01014;
export const E1000_FLMNGCTL = 0x01018;
export const E1000_FLMNGDATA = 0x0101c;
export const E1000_FLMNGCNT = 0x01020;
export const E1000_EEARBC = 0x01024;
export const E1000_EEDIAG = 0x01038;
export const E1000_FLASHOP = 0x0103c;
export const E1000_WDSTP = 0x01040;
export const E1000_SWDSTS = 0x01044;
export const E1000_VPDDIAG = 0x01060;
export const E1000_CIRC = 0x00f00;
export const E1000_RDFH = 0x02410;
export const E1000_RDFT = 0x02418;
export const E1000_RDFHS = 0x02420;
export const E1000_RDFTS = 0x02428;
export const E1000_RDFPC = 0x02430;
export const E1000_RPBECCSTS = 0x0245c;
export const E1000_FCSTS0 = 0x02464;
export const E1000_PBRWAC = 0x024e8;
export const E1000_DRXMXOD = 0x02540;
export const E1000_RDHESTS = 0x025c0;
export const E1000_RXBDC = 0x025e0;
export const E1000_RXIDLE = 0x025e4;
export const E1000_TDFTS = 0x03428;
export const E1000_TPBECCSTS = 0x0345c;
export const E1000_PBTWAC = 0x034e8;
export const E1000_DTXMXPKTSZ = 0x0355c;
export const E1000_TDHESTS = 0x035c0;
export const E1000_TXBDC = 0x035e0;
export const E1000_TXIDLE = 0x035e4;
export const E1000_TDHMP = 0x035fc;
export const E1000_RETX_CTL = 0x0041c;
export const E1000_RPLPSRTYPE = 0x054c0;

// PCIe statistics and analog parts (8.6)
export const E1000_GSCL_1 = 0x05b10;
export const E1000_GSCL_2 = 0x05b14;
export const E1000_GSCL_3 = 0x05b18;
export const E1000_GSCL_4 = 0x05b1c;
export const E1000_GSCN = (n: number): number => 0x05b20 + 4 * n;
export const E1000_GIOANACTL = (n: number): number => 0x05b34 + 4 * n;
export const E1000_DCA_ID = 0x05b70;
export const E1000_UFUSE = 0x05b78;

// More statistics (8.18)
export const E1000_CBRDPC = 0x04044;
export const E1000_SSVPC = 0x041a0;

// Wake-up filters and management (8.20, 8.21)
export const E1000_IP4AT = 0x05840;
export const E1000_IP6AT = 0x05880;
export const E1000_WUPM = 0x05a00;
export const E1000_FHFT = 0x09000;
export const E1000_FHFT_EXT = 0x09a00;
export const E1000_MANC2H = 0x05860;
export const E1000_MFUTP = (n: number): number => 0x05030 + 4 * n;
export const E1000_MAVTV = (n: number): number => 0x05010 + 4 * n;
export const E1000_MDEF = (n: number): number => 0x05890 + 4 * n;
export const E1000_METF = (n: number): number => 0x05060 + 4 * n;
export const E1000_HICR = 0x08f00;

// Virtualization (8.14)
export const E1000_V2PMAILBOX = (n: number): number => 0x00c40 + 4 * n;
export const E1000_LVMMC = 0x03548;
export const E1000_MDFB = 0x03558;
export const E1000_SWPBS = 0x03004;
export const E1000_VMRCTL = (n: number): number => 0x05d80 + 4 * n;
export const E1000_VMRVLAN = (n: number): number => 0x05d90 + 4 * n;
export const E1000_VMRVM = (n: number): number => 0x05da0 + 4 * n;
export const E1000_SCCRL = 0x05db0;
export const E1000_BSCTRH = 0x05db8;
export const E1000_MSCTRH = 0x05dbc;

// MACsec and IPsec (8.23, 8.24)
export const E1000_LSECTXUT = 0x04300;
export const E1000_LSECTXPKTE = 0x04304;
export const E1000_LSECTXPKTP = 0x04308;
export const E1000_LSECTXOCTE = 0x0430c;
export const E1000_LSECTXOCTP = 0x04310;
export const E1000_LSECRXUT = 0x04314;
export const E1000_LSECRXOCTD = 0x0431c;
export const E1000_LSECRXOCTV = 0x04320;
export const E1000_LSECRXBAD = 0x04324;
export const E1000_LSECRXNOSCI = 0x04328;
export const E1000_LSECRXUNSCI = 0x0432c;
export const E1000_LSECRXUNCH = 0x04330;
export const E1000_LSECRXDELAY = 0x04340;
export const E1000_LSECRXLATE = 0x04350;
export const E1000_LSECRXOK = 0x04360;
export const E1000_LSECRXINV = 0x04380;
export const E1000_LSECRXNV = 0x043a0;
export const E1000_LSECRXUNSA = 0x043c0;
export const E1000_LSECRXNUSA = 0x043d0;
export const E1000_LSECTXCAP = 0x0b000;
export const E1000_LSECTXCTRL = 0x0b004;
export const E1000_LSECTXSCL = 0x0b008;
export const E1000_LSECTXSCH = 0x0b00c;
export const E1000_LSECTXSA = 0x0b010;
export const E1000_LSECTXPN0 = 0x0b018;
export const E1000_LSECTXPN1 = 0x0b01c;
export const E1000_LSECTXKEY0 = 0x0b020;
export const E1000_LSECTXKEY1 = 0x0b030;
export const E1000_LSECRXCAP = 0x0b300;
export const E1000_LSECRXCTRL = 0x0b304;
export const E1000_LSECRXSA = 0x0b310;
export const E1000_LSECRXPN = 0x0b330;
export const E1000_LSECRXKEY = 0x0b350;
export const E1000_LSECRXSCL = 0x0b3d0;
export const E1000_LSECRXSCH = 0x0b3e0;
export const E1000_IPSRXIDX = 0x0b400;
export const E1000_IPSRXSALT = 0x0b404;
export const E1000_IPSRXCMD = 0x0b408;
export const E1000_IPSRXSPI = 0x0b40c;
export const E1000_IPSRXKEY = 0x0b410;
export const E1000_IPSRXIPADDR = 0x0b420;
export const E1000_IPSCTRL = 0x0b430;
export const E1000_IPSTXIDX = 0x0b450;
export const E1000_IPSTXSALT = 0x0b454;
export const E1000_IPSTXKEY = 0x0b460;
